/** `bun scripts/house/write-layers.ts`: puts the blocks of the linter into biome.json, as layers.ts has the floors. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

import { lintBlocks } from "./lint-blocks.ts";

const file = resolve(import.meta.dirname, "../../biome.json");
const config: object = JSON.parse(readFileSync(file, "utf8"));
writeFileSync(file, `${JSON.stringify({ ...config, overrides: lintBlocks() }, null, 2)}\n`);

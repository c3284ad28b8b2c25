/** Where a public type has changed: `bun scripts/house/write-types.ts` writes the types that `taskexe new` gives. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ambientTypes } from "./ambient-types.ts";

writeFileSync(
  join(resolve(import.meta.dirname, "../.."), "src/new/templates/typescript/types/taskexe.d.ts.txt"),
  ambientTypes(),
);

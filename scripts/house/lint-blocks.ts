/** What the table of layers is for the linter: the part `overrides` of biome.json. */
import { IN_BROWSERS, LAYERS, type Layer } from "./layers.ts";

const TIMER_MODULES = ["node:timers", "node:timers/promises", "timers", "timers/promises"];
const NO_TIMER = "wait with sleep of src/concurrency";

/** One block a folder, and one for all that may not wait by itself. */
export function lintBlocks(): unknown[] {
  const bare = LAYERS.filter(({ hasTimers }) => hasTimers).map(({ name }) => `!src/${name}/**`);
  return [
    ...folders().map((layer) => ({
      includes: [`src/${layer.name}/**`],
      linter: { rules: { style: { noRestrictedImports: { level: "error", options: restricted(layer) } } } },
    })),
    {
      includes: ["src/**", "examples/**", ...bare, `!${IN_BROWSERS}/**`],
      plugins: ["./scripts/check-bare-waits.grit"],
      linter: { rules: { style: { noRestrictedGlobals: { level: "error", options: { deniedGlobals: timers() } } } } },
    },
  ];
}

function folders(): Layer[] {
  return LAYERS.filter(({ name }) => !name.endsWith(".ts"));
}

function restricted({ name, uses, hasTimers }: Layer): object {
  const above = folders()
    .map((other) => other.name)
    .filter((other) => other !== name && !uses.includes(other));
  const message = `src/${name} may not import from there: scripts/house/layers.ts has the floors.`;
  const paths = Object.fromEntries(
    TIMER_MODULES.map((module) => [module, `Bare timers belong to nobody: ${NO_TIMER}.`]),
  );
  return {
    ...(hasTimers ? {} : { paths }),
    ...(above.length > 0 ? { patterns: [{ group: [groupOf(above)], message }] } : {}),
  };
}

function groupOf([only = "", ...more]: readonly string[]): string {
  return more.length === 0 ? `**/${only}/**` : `**/{${[only, ...more].join(",")}}/**`;
}

function timers(): Readonly<Record<string, string>> {
  return {
    setTimeout: `A bare timer belongs to nobody: ${NO_TIMER}.`,
    setInterval: `A bare timer belongs to nobody: ${NO_TIMER}, in a loop.`,
    setImmediate: "A turn of the loop belongs to nobody: take one with checkpoint of src/concurrency.",
  };
}

/**
 * The floors of src, from the ground up: which folder may import from which. This table is the only place that says it:
 * the linter's blocks in biome.json are made from it (write-layers.ts), and test/house/layers.test.ts holds every
 * import against it.
 */

export interface Layer {
  /** A folder of src, or a file right in it. */
  readonly name: string;
  /** What it may import from, beside itself. */
  readonly uses: readonly string[];
  /** It may use bare timers: everything else waits through src/concurrency. */
  readonly hasTimers?: true;
}

const GROUND = ["concurrency", "runtime"];
const TASKS = ["task", ...GROUND];
const STORES = ["broker", ...TASKS];

export const LAYERS: readonly Layer[] = [
  { name: "version.ts", uses: [] },
  { name: "runtime", uses: [], hasTimers: true },
  { name: "concurrency", uses: ["runtime"], hasTimers: true },
  { name: "task", uses: GROUND },
  { name: "broker", uses: TASKS },
  { name: "metrics", uses: TASKS },
  { name: "tracing", uses: ["version.ts", ...TASKS] },
  { name: "config", uses: STORES },
  { name: "handlers", uses: TASKS },
  { name: "runner-protocol", uses: ["handlers", ...TASKS] },
  { name: "runners", uses: ["runner-protocol", "handlers", ...TASKS] },
  { name: "runner", uses: ["runner-protocol", "handlers", ...TASKS] },
  { name: "operations", uses: ["metrics", "tracing", ...STORES] },
  { name: "executor", uses: ["metrics", "tracing", "operations", "handlers", ...STORES] },
  { name: "client", uses: ["config", "tracing", "operations", ...STORES] },
  { name: "testing", uses: ["client", "executor", "operations", "handlers", ...STORES] },
  { name: "testing.ts", uses: ["concurrency", "testing"] },
  { name: "http", uses: ["version.ts", "metrics", "executor", "operations", "handlers", ...STORES] },
  { name: "index.ts", uses: ["client", "operations", "handlers", ...STORES] },
  { name: "new", uses: ["runtime"] },
  { name: "provide", uses: ["index.ts", "testing.ts", "handlers", ...GROUND] },
  {
    name: "cli",
    uses: [
      "version.ts",
      "config",
      "client",
      "http",
      "new",
      "provide",
      "runners",
      "tracing",
      "executor",
      "operations",
      "handlers",
      ...STORES,
    ],
  },
  { name: "main.ts", uses: ["version.ts", "cli", "runner", "provide", "runtime"] },
];

/** What runs in browsers only: there is no nursery, and a timer ends with the page. */
export const IN_BROWSERS = "src/http/page/client";

/** The floor of a file, by its path below src; undefined where the table does not have it. */
export function layerOf(path: string): Layer | undefined {
  const [top = ""] = path.split("/");
  return LAYERS.find(({ name }) => name === top);
}

/** How taskexe is started: from its source on each runtime, or as an executable that a test builds when it needs it. */
import { join } from "node:path";
import { ROOT } from "./command.ts";
import { buildExecutable } from "./executable.ts";

/** A command with its first arguments; those of taskexe come behind them. */
export type Program = [string, ...string[]];

const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);
const MAIN = join(ROOT, "src/main.ts");

export const ON_BUN: Program = [bin("bun"), MAIN];
export const ON_NODE: Program = [bin("node"), MAIN];
export const ON_DENO: Program = [bin("deno"), "run", "-A", MAIN];

/** The executable at a place that is known once the test's folder is there: it is built when first asked for. */
export function builtOnce(place: () => string): () => Promise<Program> {
  let executable: Promise<string> | null = null;
  return async () => {
    executable ??= buildExecutable(place());
    return [await executable];
  };
}

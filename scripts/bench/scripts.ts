/** The scripts that run as processes of their own: where they lie, and on what they run. */
import { fileURLToPath } from "node:url";

export interface ScriptRuntime {
  readonly name: "Bun" | "Node";
  readonly command: string;
  readonly args: readonly string[];
}

/** The runtimes that rivals are tried on, as each may suit them better. */
export const SCRIPT_RUNTIMES: readonly ScriptRuntime[] = [
  { name: "Bun", command: process.execPath, args: [] },
  {
    name: "Node",
    command: fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url)),
    args: ["--experimental-strip-types", "--no-warnings"],
  },
];

/** The full path of a script, from its path below this folder. */
export function script(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

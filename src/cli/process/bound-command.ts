/** The hidden way into the executable by which it becomes a command that dies with its executor. */

import { runtime } from "../../runtime/index.ts";
import { becomeBoundCommand, EXIT_NOT_STARTED } from "../../runtime/process/bound-command.ts";
import { writeLastWord } from "../output/outlets.ts";

/** Becomes the command; where that cannot be it says why, and this process ends. */
export function startBoundCommand(given: readonly string[]): never {
  const problem = becomeBoundCommand(given, runtime.linuxCalls());
  writeLastWord(`taskexe: ${problem}\n`);
  process.exit(EXIT_NOT_STARTED);
}

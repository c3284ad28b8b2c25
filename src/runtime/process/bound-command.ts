/**
 * A command that dies with the process that started it, however that ends, and that is given what its own children
 * leave behind. No command does that of itself, so the executable starts itself, asks the kernel for both, and then
 * becomes the command: same pid, same descriptors. It costs some 12 ms a start.
 */
import type { LinuxCalls } from "./linux-calls.ts";

/** The first argument that says so. */
export const BOUND_COMMAND = "exec-bound-to-parent";

/** As a shell says it. */
export const EXIT_NOT_STARTED = 127;

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The arguments that start a command so.
 *
 * @param keeps - whether descriptors 3 and 4 are the command's.
 * @param dataBytes - what the kernel lets it have for its data: set last, as the executable itself needs 300 MB; null:
 *   any number.
 */
export function boundArguments({ command, args }: CommandLine, keeps: boolean, dataBytes: number | null): string[] {
  return [BOUND_COMMAND, String(process.pid), keeps ? "3,4" : "", String(dataBytes ?? ""), command, ...args];
}

/**
 * Becomes the command of these arguments. Returns only where that cannot be: with a message for people.
 *
 * @param given - those behind {@link BOUND_COMMAND}.
 */
export function becomeBoundCommand(given: readonly string[], calls: LinuxCalls | null): string {
  const [parent, descriptors = "", dataBytes = "", command, ...args] = given;
  if (parent === undefined || command === undefined) return `${BOUND_COMMAND} is for taskexe itself`;
  if (calls?.become == null) return "this system lets no process ask to die with its parent";
  calls.dieWithParent();
  // Whoever had died before that was asked for is told by nobody.
  if (calls.parent() !== Number(parent)) return "the executor that wanted it has ended";
  calls.adoptOrphans();
  if (dataBytes !== "") calls.limitData(process.pid, Number(dataBytes));
  calls.become(command, args, descriptors.split(",").filter(Boolean).map(Number));
  return `the command ${JSON.stringify(command)} cannot be started: the system refuses it. Is it for this machine?`;
}

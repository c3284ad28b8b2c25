/**
 * How a command ends: the exit codes, the error that carries one, and leaving with all output written.
 * 0 fine, 1 failed, 2 a mistake in how it was called or configured, 129/130/143 ended by a signal.
 */
import { abortable, moveOnAfter, openRoot } from "../../concurrency/index.ts";
import { printable } from "../../task/text/printable.ts";
import { standardError, standardOutput, tellLost } from "../output/outlets.ts";

/** How long the reader of an executor's log that has stopped reading is waited for, in ms. */
const LAST_WORDS_MS = 3_000;

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_SIGHUP = 129;
export const EXIT_SIGINT = 130;
export const EXIT_SIGTERM = 143;

/** A command failed in a way that its user understands: the message is all they see. An empty one shows nothing. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A mistake in how a command was called. The message is one line, whatever was typed. */
export function usageError(message: string, command?: string): CommandFailure {
  return new CommandFailure(`${printable(message)}\nSee taskexe ${command ? `${command} ` : ""}--help`, EXIT_USAGE);
}

/** Lets the process go on when whoever read one of its outputs is gone. */
export function surviveClosedOutputs(): void {
  for (const outlet of [standardOutput, standardError]) outlet.surviveClosing();
}

/**
 * Ends the process of a command once both outputs have taken what was written: for as long as the reader takes, as a
 * pager may. An exit at once would cut off what a pipe has not taken yet. What could not be written is told, and makes
 * a failure of a success.
 */
export async function exitWhenWritten(code: number): Promise<never> {
  await standardOutput.written();
  const ending = tellLost(code);
  await standardError.written();
  process.exit(ending);
}

/**
 * Ends the process of an executor, whose log's reader is waited for a few seconds at the most. Needed since abandoned
 * user code may keep the process alive.
 */
export async function exitSoon(code: number): Promise<never> {
  const both = Promise.all([standardOutput.written(), standardError.written()]);
  await moveOnAfter(openRoot(), LAST_WORDS_MS, (scope) => abortable(both, scope.signal));
  process.exit(code);
}

/**
 * How a command ends: the exit codes, the error that carries one, and leaving with all output written.
 * 0 fine, 1 failed, 2 a mistake in how it was called or configured, 130/143 ended by a signal.
 */
import { abortable, moveOnAfter, openRoot } from "../concurrency/index.ts";

/** How long a reader that has stopped reading is waited for, in ms. */
const LAST_WORDS_MS = 3_000;

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
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

/** A mistake in how a command was called. */
export function usageError(message: string, command?: string): CommandFailure {
  return new CommandFailure(`${message}\nSee taskexe ${command ? `${command} ` : ""}--help`, EXIT_USAGE);
}

/**
 * Lets the process go on when whoever read one of its outputs is gone (`| head`, a log collector that restarts): what
 * is written then is lost, and nothing else.
 */
export function surviveClosedOutputs(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}

/**
 * Ends the process once both outputs have taken what was written, or a few seconds have passed. Needed since abandoned
 * user code may keep the process alive, and since an exit at once can cut off what a pipe has not taken yet.
 */
export async function exitWhenWritten(code: number): Promise<never> {
  const both = Promise.all([process.stdout, process.stderr].map(written));
  await moveOnAfter(openRoot(), LAST_WORDS_MS, (scope) => abortable(both, scope.signal));
  process.exit(code);
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // A reader that is gone (| head) must not keep us either.
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}

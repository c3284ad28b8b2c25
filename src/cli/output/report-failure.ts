/**
 * Tells the user why a command failed, and with which exit code it ends. Mistakes of theirs are sentences; of a group
 * of errors each is told with its path through the tree of nurseries and tasks, and with its causes. Stacks are shown
 * only with TASKEXE_DEBUG=1.
 */
import { BrokerUnfitError } from "../../broker/broker.ts";
import { BrokerUrlError } from "../../broker/broker-url-error.ts";
import { advise } from "../../broker/drivers.ts";
import { type LocatedError, locateErrors } from "../../concurrency/index.ts";
import { isInstance, messageOf, read, readText, shown } from "../../concurrency/unknown-values.ts";
import { ConfigError } from "../../config/config-error.ts";
import { redact } from "../../config/redact.ts";
import { HandlerLoadError } from "../../handlers/loading/handler-load-error.ts";
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from "../process/exit.ts";
import { note } from "./print.ts";

/** How many errors are told of a group, so that one mistake in a thousand tasks stays readable. */
const MOST_ERRORS = 20;
/** How deep causes are followed: they may lead in a circle. */
const MOST_CAUSES = 10;
/** The nurseries of the whole program, and those around an executor: they are no place that tells a user anything. */
const PROGRAM = ["taskexe", "handlers", "run", "alerts"];

/**
 * Tells what is wrong, on standard error unless `tell` takes it elsewhere, and returns the exit code.
 *
 * @param tell Called once for each line, without passwords, and with where the error happened: the names of the
 * nurseries and tasks around it, outermost first.
 */
export function reportFailure(
  error: unknown,
  tell: (line: string, path: readonly string[]) => void = toStandardError,
): number {
  const located = locateErrors(error);
  const isDebugging = process.env.TASKEXE_DEBUG === "1";
  for (const one of located.slice(0, MOST_ERRORS)) {
    const path = pathOf(one);
    for (const line of linesOf(one.error, path)) tell(redact(line), path);
    if (!isDebugging || !isInstance(one.error, Error)) continue;
    for (const line of redact(readText(one.error, "stack")).split("\n")) tell(line, path);
  }
  if (located.length > MOST_ERRORS) tell(`and ${located.length - MOST_ERRORS} more errors`, []);
  return exitCodeOf(located.map((one) => one.error));
}

function pathOf({ path }: LocatedError): readonly string[] {
  const from = path.findIndex((name, at) => name !== PROGRAM[at]);
  return from === -1 ? [] : path.slice(from);
}

/** Sentences for users say all there is to say; any other error needs the place where it happened. */
function linesOf(error: unknown, path: readonly string[]): string[] {
  const lines = describe(error);
  if (path.length === 0 || isInstance(error, ConfigError) || isInstance(error, CommandFailure)) return lines;
  return lines.map((line, index) => (index === 0 ? `${path.join(" > ")}: ${line}` : line));
}

function toStandardError(line: string): void {
  note(`taskexe: ${line}`, "error");
}

/** What one error says, in lines, its causes last; no stack. */
export function describe(error: unknown): string[] {
  if (isInstance(error, ConfigError)) return [...error.problems];
  if (isInstance(error, HandlerLoadError)) return error.message.split("\n");
  if (isInstance(error, CommandFailure)) return error.message === "" ? [] : error.message.split("\n");
  if (!isInstance(error, Error)) return [`something that is no error was thrown: ${shown(error)}`];
  return [...(advise(error) ?? chain(error).slice(0, 5))];
}

function chain(error: Error): string[] {
  const lines: string[] = [];
  let at: unknown = error;
  for (let level = 0; level < MOST_CAUSES && isInstance(at, Error); level++) {
    const [name, message] = [readText(at, "name"), messageOf(at)];
    const isSentence =
      isInstance(at, BrokerUnfitError) || /^(|Error|.*UrlError|Handler.*Error|Broker.*Error)$/.test(name);
    const own = isSentence ? message : `${name}: ${message}`;
    // Many errors quote their cause already.
    if (!lines.some((line) => line.includes(message))) lines.push(lines.length === 0 ? own : `  because: ${own}`);
    at = read(at, "cause");
  }
  return lines;
}

function exitCodeOf(leaves: readonly unknown[]): number {
  const codes = leaves.map((leaf) => {
    if (isInstance(leaf, ConfigError)) return EXIT_USAGE;
    if (isInstance(leaf, CommandFailure)) return leaf.exitCode;
    const isBroker = isInstance(leaf, BrokerUrlError) || isInstance(leaf, BrokerUnfitError);
    return isBroker || isInstance(leaf, HandlerLoadError) ? EXIT_USAGE : EXIT_FAILED;
  });
  return codes.length > 0 && codes.every((code) => code === codes[0]) ? (codes[0] ?? EXIT_FAILED) : EXIT_FAILED;
}

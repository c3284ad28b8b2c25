/**
 * Tells the user why a command failed, and with which exit code it ends. Mistakes of theirs are sentences; of a group
 * of errors each part is told with its causes. Stacks are shown only with TASKEXE_DEBUG=1.
 */
import { BrokerUrlError } from "../broker/broker-url-error.ts";
import { flattenErrors } from "../concurrency/index.ts";
import { ConfigError } from "../config/config-error.ts";
import { redact } from "../config/redact.ts";
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from "./exit.ts";

/**
 * Tells what is wrong, on standard error unless `tell` takes it elsewhere, and returns the exit code.
 *
 * @param tell Called once for each line, without passwords.
 */
export function reportFailure(error: unknown, tell: (line: string) => void = toStandardError): number {
  const leaves = flattenErrors(error);
  for (const line of leaves.flatMap(describe)) tell(redact(line));
  if (process.env.TASKEXE_DEBUG === "1") tell(redact(inspected(error)));
  return exitCodeOf(leaves);
}

function toStandardError(line: string): void {
  process.stderr.write(`taskexe: ${line}\n`);
}

/** What one error says, in lines, its causes last; no stack. */
export function describe(error: unknown): string[] {
  if (error instanceof ConfigError) return [...error.problems];
  if (error instanceof CommandFailure) return error.message === "" ? [] : error.message.split("\n");
  if (!(error instanceof Error)) return [`something that is no error was thrown: ${String(error)}`];
  return chain(error).slice(0, 5);
}

function chain(error: Error): string[] {
  const lines: string[] = [];
  for (let at: unknown = error; at instanceof Error && lines.length < 10; at = at.cause) {
    const own = /^(Error|.*UrlError|Handler.*Error|Broker.*Error)$/.test(at.name)
      ? at.message
      : `${at.name}: ${at.message}`;
    // Many errors quote their cause already.
    if (!lines.some((line) => line.includes(at instanceof Error ? at.message : ""))) {
      lines.push(lines.length === 0 ? own : `  because: ${own}`);
    }
  }
  return lines;
}

function exitCodeOf(leaves: readonly unknown[]): number {
  const codes = leaves.map((leaf) => {
    if (leaf instanceof ConfigError) return EXIT_USAGE;
    if (leaf instanceof CommandFailure) return leaf.exitCode;
    return leaf instanceof BrokerUrlError ? EXIT_USAGE : EXIT_FAILED;
  });
  return codes.length > 0 && codes.every((code) => code === codes[0]) ? (codes[0] ?? EXIT_FAILED) : EXIT_FAILED;
}

function inspected(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : String(error);
}

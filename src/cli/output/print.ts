/**
 * What commands print: data on standard output, everything else on standard error. The one door for texts: whatever a
 * task, a broker or an argument brought along is shown with its control characters written out, so that none can steer
 * the terminal or pass for a line of ours; and what goes to standard error has no passwords.
 */
import { abortable } from "../../concurrency/index.ts";
import { redact } from "../../config/redact.ts";
import { printable } from "../../task/text/printable.ts";
import { printableJson } from "../../task/text/printable-json.ts";
import { CommandFailure } from "../process/exit.ts";
import type { Level } from "./journal.ts";
import { standardError, standardOutput } from "./outlets.ts";

/** One line of data. */
export function printLine(line: string): void {
  standardOutput.write(`${printable(line)}\n`);
}

/** Data for programs: one JSON document over several lines, exactly this value. */
export function printJson(value: unknown): void {
  standardOutput.write(`${printableJson(value, 2)}\n`);
}

/** Data for programs: one JSON document in one line, exactly this value. */
export function printJsonLine(value: unknown): void {
  standardOutput.write(`${printableJson(value)}\n`);
}

/** Something to know that is no data: one line. Only the journal tells its level. */
export function note(line: string, level: Level = "info"): void {
  standardError.writeLines(level, `${printable(redact(line))}\n`);
}

/** Text of our own over several lines, as help is. */
export function printText(text: string): void {
  standardOutput.write(printable(text, "lines"));
}

/** The same on standard error, about a mistake. */
export function noteText(text: string): void {
  standardError.writeLines("error", printable(redact(text), "lines"));
}

/**
 * Waits until the reader of standard output has taken what was printed: to be awaited between the pieces of a long
 * output, so that it never piles up.
 *
 * @throws CommandFailure when it cannot be written; why is told at the end. The reason of `signal`.
 */
export async function printed(signal: AbortSignal): Promise<void> {
  await abortable(standardOutput.written(), signal);
  if (standardOutput.failure !== null) throw new CommandFailure("");
}

/**
 * A table with a head; columns are as wide as their widest cell, numbers stand right.
 *
 * @param before - the widths of a table that this one goes on with, without a head.
 * @returns its widths; a column of numbers has a negative one.
 */
export function printTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  before: readonly number[] | null = null,
): readonly number[] {
  const cells = rows.map((row) => row.map((cell) => printable(String(cell))));
  const widths = head.map((title, column) => {
    const least = Math.abs(before?.[column] ?? title.length);
    const width = Math.max(least, ...cells.map((row) => row[column]?.length ?? 0));
    const isRight = rows.length > 0 && rows.every((row) => typeof row[column] === "number");
    return (before === null ? isRight : (before[column] ?? 0) < 0) ? -width : width;
  });
  for (const row of before === null ? [head, ...cells] : cells) {
    const line = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return width < 0 ? cell.padStart(-width) : cell.padEnd(width);
    });
    printLine(line.join("  ").trimEnd());
  }
  return widths;
}

/** Names and values below each other. */
export function printFields(fields: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) {
    const indent = `\n${" ".repeat(width + 2)}`;
    printText(`${`${name.padEnd(width)}  ${printable(value, "lines").replaceAll("\n", indent)}`.trimEnd()}\n`);
  }
}

/**
 * How texts that came from tasks are shown: as text, with whatever could reorder or hide what stands beside it written
 * out, and cut where they are long. The whole is always one link away.
 */
import { printable } from "../../../task/text/printable.ts";

/** How many characters a name in a table has at the most, and a text in a box. */
const NAME_LENGTH = 120;
const TEXT_LENGTH = 20_000;

/** One line: an id, a type, a name. */
export function name(text: string, length = NAME_LENGTH): string {
  return printable(cut(text, length));
}

/** Lines: an error, a log, a payload. */
export function lines(text: string, length = TEXT_LENGTH): string {
  return printable(cut(text, length), "lines");
}

/** The first line, for a table. */
export function firstLine(text: string, length = NAME_LENGTH): string {
  const end = text.indexOf("\n");
  return name(end < 0 ? text : text.slice(0, end), length);
}

/** The beginning, without half a character at its end, and how many characters are left out. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const start = text.slice(0, length).replace(/[\ud800-\udbff]$/, "");
  return `${start}… (${text.length - start.length} more characters)`;
}

/**
 * What commands print: data on standard output, everything else on standard error.
 * Text of tasks is shown with its control characters made visible, so that none can steer the terminal.
 */

/** One line of data. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Data for programs: one JSON document. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** Something to know that is no data. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A table with a head; columns are as wide as their widest cell, numbers stand right. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const cells = rows.map((row) => row.map((cell) => printable(String(cell))));
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"));
  for (const row of [head, ...cells]) {
    const line = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return right[column] ? cell.padStart(width) : cell.padEnd(width);
    });
    printLine(line.join("  ").trimEnd());
  }
}

/** Names and values below each other. */
export function printFields(fields: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) {
    const indent = `\n${" ".repeat(width + 2)}`;
    printLine(`${name.padEnd(width)}  ${printable(value, "lines").replaceAll("\n", indent)}`.trimEnd());
  }
}

/** The text with control characters written as `\u001b`; with `lines`, line ends stay. */
export function printable(text: string, keep?: "lines"): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    if (keep === "lines" && (character === "\n" || character === "\t")) return character;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

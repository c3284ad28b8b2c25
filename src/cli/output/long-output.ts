/**
 * Data that is too long to be held: a table or a JSON document that is printed as it comes, piece by piece. Between two
 * pieces the caller waits until the last one was taken (`printed`).
 */
import { printableJson } from "../../task/text/printable-json.ts";
import { printTable, printText } from "./print.ts";

export interface LongOutput<T> {
  /** Prints what comes next. */
  add(items: readonly T[]): void;
  /** Prints what is known at the end. */
  end(): void;
}

/** A table: its head once, then the rows; each piece has columns at least as wide as the pieces before. */
export function longTable<T>(head: readonly string[], rowOf: (item: T) => readonly (string | number)[]): LongOutput<T> {
  let widths: readonly number[] | null = null;
  const print = (items: readonly T[]): void => {
    widths = printTable(head, items.map(rowOf), widths);
  };
  return {
    add(items) {
      if (items.length > 0) print(items);
    },
    end() {
      if (widths === null) print([]);
    },
  };
}

/** One JSON document: an object with a list, and behind it the members that `rest` gives; as `printJson` prints it. */
export function longJson<T>(name: string, rest: () => Readonly<Record<string, unknown>>): LongOutput<T> {
  let count = 0;
  return {
    add(items) {
      for (const item of items) {
        printText(`${count++ === 0 ? `{\n  ${JSON.stringify(name)}: [` : ","}\n    ${indented(item, "    ")}`);
      }
    },
    end() {
      if (count === 0) printText(`{\n  ${JSON.stringify(name)}: []`);
      else printText("\n  ]");
      for (const [key, value] of Object.entries(rest()))
        printText(`,\n  ${JSON.stringify(key)}: ${indented(value, "  ")}`);
      printText("\n}\n");
    },
  };
}

function indented(value: unknown, indent: string): string {
  return printableJson(value, 2).replaceAll("\n", `\n${indent}`);
}

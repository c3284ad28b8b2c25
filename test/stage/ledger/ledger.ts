/** Reads the ledger that the fixture tasks write: which process started and ended which task, and when. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder with the task type `ledger`. */
export const LEDGER_TASKS = fileURLToPath(new URL("tasks", import.meta.url));

export interface LedgerLine {
  readonly what: "start" | "end" | "stopped";
  readonly id: string;
  readonly pid: number;
  readonly attempt: number;
  /** Unix ms. */
  readonly at: number;
}

/** Every line so far, in the order in which they were written. */
export function readLedger(path: string): LedgerLine[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [what, id, pid, attempt, at] = line.split(" ");
      if ((what !== "start" && what !== "end" && what !== "stopped") || id === undefined) {
        throw new Error(`not a line of the ledger: ${line}`);
      }
      return { what, id, pid: Number(pid), attempt: Number(attempt), at: Number(at) };
    });
}

/** The ids with a line of this kind, by how many such lines there are. */
export function countById(lines: readonly LedgerLine[], what: LedgerLine["what"]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) if (line.what === what) counts.set(line.id, (counts.get(line.id) ?? 0) + 1);
  return counts;
}

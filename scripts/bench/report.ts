/** The table that a run prints: machine, settings, rows, checks, and what is counted. */
import { spread } from "./figures.ts";
import { type Check, holds, type Outcome, type Row } from "./results.ts";

export function report(
  machine: Readonly<Record<string, string>>,
  settings: string,
  outcome: Required<Outcome>,
): string {
  const names = [...new Set(outcome.rows.map(({ bench }) => bench))];
  const facts = Object.entries(machine).map(([name, value]) => [name, value]);
  return [
    `${table(facts)}\n${settings}\n`,
    ...names.map((name) => `${name}\n${table(rowsOf(outcome.rows.filter(({ bench }) => bench === name)))}`),
    ...outcome.tables,
    ...outcome.failures.map((failure) => `FAILED ${failure}\n`),
    `targets\n${table(outcome.checks.map(checkCells))}`,
    `what is counted\n${outcome.notes.map((note) => `  ${note}\n`).join("")}`,
  ].join("\n");
}

function rowsOf(rows: readonly Row[]): string[][] {
  return rows.map((row) => [
    row.setting,
    row.side,
    `${figure(row.value)} ${row.unit}`,
    row.rounds.length > 1 ? `median of ${row.rounds.length}, spread ${(spread(row.rounds) * 100).toFixed(0)} %` : "",
    more(row),
    row.durability === "" ? "" : `durability: ${row.durability}`,
  ]);
}

function more(row: Row): string {
  return Object.entries(row.more)
    .filter(([, value]) => Number.isFinite(value))
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${figure(value)}`)
    .join(", ");
}

function checkCells(check: Check): string[] {
  const aim = check.aim === null ? "" : `, aim ${check.aim} ${check.unit}`;
  return [
    holds(check) ? "ok" : "MISSED",
    check.bench,
    check.what,
    `${figure(check.value)} ${check.unit}`,
    `must be ${check.relation} ${check.target} ${check.unit}${aim}`,
  ];
}

/** Three figures that count, with commas for thousands. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return "none";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, at) => Math.max(...rows.map((cells) => cells[at]?.length ?? 0)));
  return rows
    .map(
      (cells) =>
        `  ${cells
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

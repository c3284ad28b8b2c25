/** What is read again and again in a long soak, by name: memory of Redis or the file, and of each executor. */
import { readdirSync, statSync } from "node:fs";
import type { Redis } from "ioredis";
import { memoryOf } from "../../bench/proc.ts";
import { type Flatness, flatnessOf, type Tolerance } from "./flat.ts";

const MB = 1_000_000;

interface Series {
  readonly name: string;
  readonly unit: "MB" | "";
  readonly tolerance: Tolerance;
  read(): Promise<number> | number;
}

export interface Judged extends Flatness {
  readonly name: string;
  readonly unit: "MB" | "";
}

export function redisSeries(redis: Redis): Series[] {
  const used = async (): Promise<number> => {
    return Number(/^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1] ?? Number.NaN);
  };
  return [
    { name: "redis: used memory", unit: "MB", tolerance: { part: 0.05, least: 2 * MB }, read: used },
    { name: "redis: keys", unit: "", tolerance: { part: 0.05, least: 1_000 }, read: () => redis.dbsize() },
  ];
}

export function fileSeries(path: string): Series[] {
  const size = (end: string): number => statSync(path + end, { throwIfNoEntry: false })?.size ?? 0;
  return [
    { name: "sqlite: file", unit: "MB", tolerance: { part: 0.05, least: 8 * MB }, read: () => size("") },
    // It is written back at 16 MB, and stays as long as it was.
    { name: "sqlite: log", unit: "MB", tolerance: { part: 0, least: 17 * MB }, read: () => size("-wal") },
  ];
}

export function processSeries(name: string, pid: number): Series[] {
  return [
    {
      name: `${name}: RSS`,
      unit: "MB",
      tolerance: { part: 0.1, least: 10 * MB },
      read: () => memoryOf(pid).rssBytes,
    },
    {
      name: `${name}: descriptors`,
      unit: "",
      tolerance: { part: 0, least: 2 },
      read: () => readdirSync(`/proc/${pid}/fd`).length,
    },
  ];
}

/** Reads all of them, and says at the end which have stayed flat. */
export class Samples {
  readonly #series: readonly Series[];
  readonly #readings = new Map<string, number[]>();

  constructor(series: readonly Series[]) {
    this.#series = series;
  }

  async take(): Promise<void> {
    for (const { name, read } of this.#series) {
      const value = await read();
      if (!Number.isFinite(value)) throw new Error(`${name} cannot be read`);
      const before = this.#readings.get(name);
      if (before === undefined) this.#readings.set(name, [value]);
      else before.push(value);
    }
  }

  judge(): Judged[] {
    return this.#series.map(({ name, unit, tolerance }) => {
      return { name, unit, ...flatnessOf(this.#readings.get(name) ?? [], tolerance) };
    });
  }
}

export function describeSeries(judged: readonly Judged[]): string {
  const head = ["after the warm-up", "first", "last", "ratio", "by slope", "may grow", ""];
  const rows = judged.map(({ name, unit, first, last, slope, allowed, isFlat }) => {
    const shown = (value: number): string => (unit === "MB" ? (value / MB).toFixed(1) : Math.round(value).toString());
    const ratio = first === 0 ? "-" : (last / first).toFixed(3);
    return [
      `${name}${unit && `, ${unit}`}`,
      ...[shown(first), shown(last), ratio, shown(slope), shown(allowed), isFlat ? "flat" : "GROWS"],
    ];
  });
  return [head, ...rows]
    .map(([name = "", ...cells]) => name.padEnd(34) + cells.map((cell) => cell.padStart(10)).join(""))
    .join("\n");
}

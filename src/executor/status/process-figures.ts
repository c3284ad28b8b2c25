/** What the operating system says of this process, by the names that exporters for Prometheus give it. */
import { readdirSync } from "node:fs";
import { runtime } from "../../runtime/index.ts";

export interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Null where the system does not tell: it is no Linux. */
  readonly openFiles: number | null;
}

export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  const { rssBytes, heapBytes } = runtime.memory();
  return { cpuSeconds: (user + system) / 1_000_000, rssBytes, heapBytes, openFiles: openFiles() };
}

function openFiles(): number | null {
  try {
    // The look itself has one open.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    // No /proc, or it is closed to us: the figure is left out.
    return null;
  }
}

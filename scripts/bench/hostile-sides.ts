/** What a side of the hostile benchmark can be asked, and how its processes are found and ended. */
import { readdirSync, readFileSync } from "node:fs";
import { runtime } from "../../src/runtime/index.ts";
import type { Deed } from "./hostile-deeds.ts";
import type { Running } from "./processes.ts";

/** How many good tasks there are, and how many of them stand before the bad one. */
export const GOOD = { before: 20, all: 200 };
/** Tasks at once. */
export const CONCURRENCY = 4;
/** A runner's, or a child's, limit of memory. */
export const MEMORY_MB = 512;
const STOP_MS = 5_000;
const SETTLE_MS = 1_000;
const POLL_MS = 20;

/** The variable by which whatever a scene started is found in /proc. */
export const MARK = "BENCH_MARK";

/** Where a scene stands. */
export interface Sight {
  readonly goodDone: number;
  /** What the side says of the bad task: a state, and a reason once it has one. */
  readonly bad: { readonly ended: boolean; readonly state: string; readonly reason: string };
}

export interface Scene {
  /** The process that was started. */
  readonly process: Running;
  look(): Promise<Sight>;
  close(): Promise<void>;
}

export interface HostileSide {
  readonly name: string;
  /** Starts the side and gives it the good tasks, with the bad one among them. */
  begin(deed: Deed, environment: Readonly<Record<string, string>>): Promise<Scene>;
}

/** SIGTERM to the one process, as a service manager's stop; SIGKILL where it is still there after 5 s. */
export async function stopMain({ pid }: Running): Promise<void> {
  signal(pid, "SIGTERM");
  const deadline = performance.now() + STOP_MS;
  while (isAlive(pid)) {
    if (performance.now() > deadline) signal(pid, "SIGKILL");
    await runtime.sleep(POLL_MS);
  }
  await runtime.sleep(SETTLE_MS);
}

/** The processes whose environment has the mark. */
export function marked(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => environmentOf(pid).split("\0").includes(`${MARK}=${mark}`));
}

/** Ends, by their ids, those that a scene has left. */
export function endMarked(mark: string): void {
  for (const pid of marked(mark)) signal(pid, "SIGKILL");
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return ""; // it has ended, or is somebody else's
  }
}

function isAlive(pid: number): boolean {
  return signal(pid, 0);
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false; // it has ended
  }
}

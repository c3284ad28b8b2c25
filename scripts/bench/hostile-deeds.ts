/**
 * What a bad handler of the hostile benchmark does, and what its good neighbours do. Ours and BullMQ's processors run
 * the same lines; rivals/celery_hostile.py says the same in Python.
 */
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** How long a good task waits, in ms. */
const GOOD_MS = 50;
const CHUNKS_OF_4_GB = 512;

/** A child that leaves its parent's session and group, and does not hear SIGTERM. */
const DOUBLE_FORK = "(setsid sh -c 'trap \"\" TERM; exec sleep 120' &)";

export const DEEDS = {
  "endless loop": () => {
    for (;;);
  },
  "allocates 4 GB": () => {
    const hoard: number[][] = [];
    while (hoard.length < CHUNKS_OF_4_GB) hoard.push(new Array<number>(1_000_000).fill(hoard.length + 0.5));
    return hoard.length;
  },
  "process.exit(0)": () => process.exit(0),
  "kill -SEGV": () => dieBy("SIGSEGV"),
  abort: () => dieBy("SIGABRT"),
  "stack overflow": () => {
    const deeper = (depth: number): number => deeper(depth + 1) + 1;
    return deeper(0);
  },
  "stray rejection": () => {
    const { reject } = Promise.withResolvers<never>();
    reject(new Error("nobody waits for this"));
    return pause(GOOD_MS);
  },
  "double fork, deaf to SIGTERM": () => {
    spawn("sh", ["-c", DOUBLE_FORK], { stdio: "ignore" });
    return pause(GOOD_MS);
  },
} as const satisfies Readonly<Record<string, () => unknown>>;

export type Deed = keyof typeof DEEDS;

/** Does what the payload names. Throws where it names nothing that is known. */
export function doBadly(name: unknown): unknown {
  const deed = Object.entries(DEEDS).find(([known]) => known === name)?.[1];
  if (deed === undefined) throw new Error(`no deed is called ${String(name)}`);
  return deed();
}

/** Notes that it began (a byte in the file BENCH_RUNS), and waits. */
export async function doWell(): Promise<void> {
  appendFileSync(process.env.BENCH_RUNS ?? "/dev/null", ".");
  await pause(GOOD_MS);
}

/** `process.abort` is not to be had in each place, so the signal is sent. */
async function dieBy(signal: "SIGSEGV" | "SIGABRT"): Promise<void> {
  process.kill(process.pid, signal);
  await pause(GOOD_MS);
}

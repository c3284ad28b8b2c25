/**
 * What the signals do in an executor:
 * - SIGTERM, SIGINT: drain and leave; a second one ends the process at once with 143 or 130.
 * - SIGHUP: load settings and handlers anew; where its terminal is gone, drain and leave. A terminal that goes tells it
 *   more than once, and a supervisor behind SIGTERM: it never ends the process at once.
 * - SIGUSR1: with TASKEXE_DEBUG=1 log the tree of nurseries and tasks; start allocation tracking, write a heap snapshot
 *   under logs/, log the memory figures; then have each JavaScript runner write one of itself. At most one snapshot a
 *   second.
 * - SIGUSR2: stop tracking and log what grew.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type CancelScope, type Nursery, snapshotTree, treeText } from "../../concurrency/index.ts";
import type { RunnersSource } from "../../executor/status/status.ts";
import { runtime, type SignalName } from "../../runtime/index.ts";
import { EXIT_SIGINT, EXIT_SIGTERM } from "./exit.ts";
import { onHangup, watchTerminal } from "./hangup.ts";

const log = getLogger(["taskexe", "signals"]);

export interface SignalParts {
  /** Those that write a snapshot, too; undefined: none runs. */
  readonly runners: () => Pick<RunnersSource, "snapshots"> | undefined;
  /** Called at the first signal to stop. */
  readonly stop: (reason: string) => void;
  readonly reload: (reason: string) => void;
}

/**
 * Takes the signals over; returns what gives them back.
 *
 * @param nursery Where a snapshot or a report is made; a failure there is logged and ends nothing. Its tree is what a
 * debug log shows.
 */
export function handleSignals(nursery: Nursery, { runners, stop, reload }: SignalParts): () => void {
  const isTerminalGone = watchTerminal();
  let stopping = false;
  const onStop = (signal: SignalName, exitCode: number) => () => {
    if (stopping) process.exit(exitCode);
    stopping = true;
    stop(signal);
  };
  const inNursery = (name: string, duty: () => Promise<void>) => () => {
    nursery.startSoon(() => duty().catch((error: unknown) => log.error("{name} failed: {error}", { name, error })), {
      name,
    });
  };
  const undo = [
    runtime.onSignal("SIGTERM", onStop("SIGTERM", EXIT_SIGTERM)),
    runtime.onSignal("SIGINT", onStop("SIGINT", EXIT_SIGINT)),
    onHangup(
      inNursery("hangup", async () => {
        if (await isTerminalGone(nursery.scope.signal)) stop("SIGHUP");
        else reload("SIGHUP");
      }),
    ),
    runtime.onSignal(
      "SIGUSR1",
      inNursery("heap snapshot", () => lookInside(nursery.scope, runners())),
    ),
    runtime.onSignal("SIGUSR2", inNursery("allocation report", reportAllocations)),
  ];
  return () => {
    for (const one of undo) one();
  };
}

async function lookInside(scope: CancelScope, runners: Pick<RunnersSource, "snapshots"> | undefined): Promise<void> {
  // First, as the snapshot may take seconds, and what is stuck now is what the reader is after.
  logTree(scope);
  const at = new Date();
  if (await takeSnapshot(at)) await runners?.snapshots((pid) => resolve(snapshotPath(pid, at)));
}

/** Logs what is alive below a scope, one debug line for each nursery and task. */
export function logTree(scope: CancelScope): void {
  if (!log.isEnabledFor("debug")) return;
  for (const line of treeText(snapshotTree(scope)).trimEnd().split("\n")) log.debug("tree: {line}", { line });
}

/**
 * Starts allocation tracking, writes `logs/{pid}_snapshot_{YYYYmmdd_HHMMSS}.heapsnapshot` and logs the figures. Where
 * there is one of this second it would tell the same: then only the figures are logged.
 *
 * @returns whether one was written.
 */
export async function takeSnapshot(at = new Date()): Promise<boolean> {
  await runtime.allocations.start();
  const path = snapshotPath(process.pid, at);
  const isTaken = existsSync(path);
  if (!isTaken) await runtime.writeHeapSnapshot(path);
  logMemory(isTaken ? `a heap snapshot was just taken, in ${path}` : `heap snapshot in ${path}`);
  return !isTaken;
}

function snapshotPath(pid: number, at: Date): string {
  return `logs/${pid}_snapshot_${stamp(at)}.heapsnapshot`;
}

/** What SIGUSR1 does, at the start. A snapshot that cannot be written is told, and keeps nobody from working. */
export async function trackFromTheStart(): Promise<void> {
  try {
    await takeSnapshot();
  } catch (error) {
    log.error("{name} failed: {error}", { name: "heap snapshot", error });
  }
}

/** Stops allocation tracking and logs what grew while it ran. */
export async function reportAllocations(): Promise<void> {
  const report = await runtime.allocations.stop();
  if (report === null) {
    log.info("allocation tracking was not active; SIGUSR1 or TRACE_MALLOC_ENABLED=1 starts it");
    return;
  }
  log.info("allocation tracking stopped: current {current_mb} MB, peak {peak_mb} MB of the executor, {pid}", {
    pid: process.pid,
    current_mb: megabytes(report.currentBytes),
    peak_mb: megabytes(report.peakBytes),
  });
  for (const { label, count, bytes } of report.grown) {
    const more = [count === undefined ? null : `${count} more`, bytes === undefined ? null : `${megabytes(bytes)} MB`];
    log.info("grown: {label}: {growth}", { label, growth: more.filter((part) => part !== null).join(", ") });
  }
}

function logMemory(what: string): void {
  const { currentBytes, peakBytes } = runtime.allocations.figures();
  log.info("{what}; max RSS {max_rss_mb} MB, current {current_mb} MB, peak {peak_mb} MB of the executor, {pid}", {
    what,
    pid: process.pid,
    max_rss_mb: megabytes(runtime.memory().maxRssBytes),
    current_mb: megabytes(currentBytes),
    peak_mb: megabytes(peakBytes),
  });
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

// The local time of day, as people read it off their clocks.
function stamp(at: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`;
  return `${day}_${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`;
}

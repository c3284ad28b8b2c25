/**
 * Heap snapshots of the runners, which each writes of itself, one after the other: one takes several times its heap in
 * memory. A runner stands still while it writes, which is not held against it, nor against what runs in it.
 */
import { existsSync } from "node:fs";
import { getLogger } from "@logtape/logtape";
import { type CancelScope, systemClock, withScope } from "../../concurrency/index.ts";
import { messageOf } from "../../concurrency/unknown-values.ts";
import { residentBytes } from "../processes/proc.ts";
import type { Runner } from "../runner.ts";

const logger = getLogger(["taskexe", "runners"]);

/** So many runners are asked: with that of the executor its folder then has as many as it keeps. */
const MOST_RUNNERS = 9;
/** A runner that has not begun to write by then computes, in ms. */
const BEGIN_MS = 1_000;
/** How long one may write, in ms. */
const WRITE_MS = 120_000;

/** @param pathOf - where that of a process goes; absolute, since a handler may change its folder. */
export async function snapshotsOf(
  runners: readonly Runner[],
  scope: CancelScope,
  pathOf: (pid: number) => string,
): Promise<void> {
  const able: Runner[] = [];
  for (const runner of runners) if (runner.isReady && !runner.isGone && (await isJavaScript(runner))) able.push(runner);
  for (const runner of able.slice(0, MOST_RUNNERS)) await snapshotOf(runner, scope, pathOf(runner.process.pid));
  const left = able.length - MOST_RUNNERS;
  if (left > 0) logger.warn("{left} more runners were not asked for a heap snapshot: 10 are kept", { left });
}

async function isJavaScript({ hello }: Runner): Promise<boolean> {
  return (await hello).language.startsWith("javascript");
}

async function snapshotOf(runner: Runner, scope: CancelScope, path: string): Promise<void> {
  const { pid } = runner.process;
  const problem = await problemWith(runner, scope, path);
  const rssMb = (residentBytes(pid) / 1024 / 1024).toFixed(1);
  if (problem !== null) logger.error("no heap snapshot of runner {pid}: {problem}", { pid, problem });
  else logger.info("heap snapshot of runner {pid} in {path}; its RSS is {rssMb} MB", { pid, path, rssMb });
}

/** Why there is none; null: there is. */
async function problemWith({ silence, asks }: Runner, scope: CancelScope, path: string): Promise<string | null> {
  if (silence.isBlocked) return "it stands still";
  silence.excuse();
  try {
    const outcome = await withScope(scope, {}, async (inner) => {
      const disarm = systemClock.schedule(systemClock.now() + BEGIN_MS, () => {
        if (!existsSync(path)) inner.cancel("it has not begun");
      });
      try {
        await asks.ask(inner, { kind: "snapshot", path }, WRITE_MS);
      } finally {
        disarm();
      }
    });
    return outcome.cancelled ? `it has not begun to write within ${BEGIN_MS} ms` : null;
  } catch (error) {
    scope.signal.throwIfAborted();
    return messageOf(error);
  } finally {
    silence.expect();
  }
}

/** A runner that has nothing to do gives back the memory that only its start needed, once. */
import { systemClock } from "../concurrency/index.ts";
import { runtime } from "../runtime/index.ts";
import type { Runs } from "./runs.ts";

/** How long after the start that is tried first, and then again while something runs, in ms. */
const LOOK_MS = 1_000;

/** @returns gives up on it. */
export function giveBackSoon(runs: Pick<Runs, "size">): () => void {
  let disarm = arm();
  function arm(): () => void {
    return systemClock.schedule(systemClock.now() + LOOK_MS, () => {
      if (runs.size === 0) runtime.giveBackMemory();
      else disarm = arm();
    });
  }
  return () => disarm();
}

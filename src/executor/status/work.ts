/** What an executor has counted of its work by queue and type, for its heartbeats, its status and its rates. */
import { sleep } from "../../concurrency/index.ts";
import { type Ended, NOTE_MS } from "../../metrics/last-minute.ts";
import { endedIn, type WorkJson, workJson } from "../../metrics/work-json.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";
import type { Tally } from "./tally.ts";

/** As it is now; null: nobody counts. */
export function workOf(tally: Tally, running: RunningAttempts): WorkJson | null {
  if (tally.tasks === null) return null;
  const counts = new Map<string, number>();
  for (const { type } of running) if (type !== "") counts.set(type, (counts.get(type) ?? 0) + 1);
  return workJson(tally.tasks, counts, tally.lastMinute, performance.now());
}

/** Notes what has ended by now, for the rates of the last minute, until the signal aborts. */
export async function noteMinutes(tally: Tally, signal: AbortSignal): Promise<never> {
  for (;;) {
    tally.lastMinute.note(performance.now(), endedByType(tally));
    await sleep(NOTE_MS, signal);
  }
}

function endedByType({ tasks }: Tally): Map<string, Ended> {
  const byType = Map.groupBy(tasks?.pairs() ?? [], ({ type }) => type);
  return new Map([...byType].map(([type, pairs]) => [type, endedIn(pairs)]));
}

/**
 * Writes what running tasks tell, gathered to a few writes a second. What was told last goes with the outcome. Of a
 * task of another program's the first write is its record, so that all can see it that look at records.
 */

import { getLogger } from "@logtape/logtape";
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker, ProgressWrite } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";
import type { Attempt } from "../attempt/attempt.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";

const logger = getLogger(["taskexe", "executor"]);

/** Between two rounds of writes, in ms. */
const ROUND_MS = 250;

export async function writeProgress(broker: Broker, running: RunningAttempts, signal: AbortSignal): Promise<never> {
  for (;;) {
    await sleep(ROUND_MS, signal);
    const writes: ProgressWrite[] = [];
    const told: Attempt[] = [];
    for (const task of running) {
      if (!task.untold || task.message === null) continue;
      task.untold = false;
      task.isWritten = true;
      told.push(task);
      writes.push({
        delivery: task.delivery,
        id: task.message.id,
        type: task.message.type,
        attempt: task.attempt,
        startedAt: task.startedAt,
        progress: task.progress,
        progressMsg: task.log ?? "",
      });
    }
    if (writes.length === 0 || (await isWritten(broker, writes))) continue;
    for (const task of told) task.untold = true;
  }
}

/** False: the broker is away, and it is to be tried again. What it refuses is told, and goes with the task's end. */
async function isWritten(broker: Broker, writes: readonly ProgressWrite[]): Promise<boolean> {
  try {
    return await ifAvailable(() => broker.writeProgress(writes));
  } catch (error) {
    logger.error("The progress of a task could not be written: {error}", { error });
    return true;
  }
}

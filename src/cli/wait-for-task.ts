/**
 * Waits until a task has ended and tells how: its result on standard output, why it failed on standard error.
 * Asks the broker for the record again and again, more seldom the longer it takes; bears one that is away for a while.
 */
import type { Broker } from "../broker/broker.ts";
import { type CancelScope, sleep } from "../concurrency/index.ts";
import type { TaskRecord } from "../task/record.ts";
import { hasEnded } from "../task/state.ts";
import { patiently } from "./client.ts";
import { CommandFailure } from "./exit.ts";
import { sayIfLost } from "./outlets.ts";
import { note, printJson } from "./output.ts";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/**
 * Waits for the end. A cancel of `scope`, or a broker that stays away, ends the wait and says that the task goes on.
 *
 * @returns the exit code: 0 when it is done, 1 when it is dead or cancelled.
 * @throws BrokerUnavailableError when the broker stayed away; the cancel of `scope`; CommandFailure when nobody knows how
 *   it ended.
 */
export async function waitForTask(
  broker: Pick<Broker, "url" | "connection" | "record">,
  scope: CancelScope,
  id: string,
  options: { readonly json: boolean },
): Promise<number> {
  try {
    const record = await ended(broker, scope, id);
    return tell(record, options);
  } catch (error) {
    if (!(error instanceof CommandFailure)) note(`taskexe: ${id} goes on without us; see: taskexe task ${id}`);
    throw error;
  }
}

async function ended(
  broker: Pick<Broker, "url" | "connection" | "record">,
  scope: CancelScope,
  id: string,
): Promise<TaskRecord> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 1.5)) {
    const record = await patiently(broker, scope, () => broker.record(id));
    if (record === null) {
      throw new CommandFailure(`the task ${id} has ended and its record was not kept, so how it ended is not known`);
    }
    if (hasEnded(record.state)) return record;
    await sleep(pause, scope.signal);
  }
}

function tell(record: TaskRecord, options: { readonly json: boolean }): number {
  sayIfLost(`the task ${record.id} is ${record.state}; see: taskexe task ${record.id}`);
  if (options.json) printJson(record);
  else if (record.state === "done") printJson(record.result ?? null);
  if (record.state === "done") {
    if (record.result_omitted !== null) note(`taskexe: ${record.id} is done, but ${record.result_omitted}`);
    return 0;
  }
  const why = record.reason ?? record.error?.message ?? "no reason is recorded";
  note(`taskexe: ${record.id} is ${record.state} after ${record.attempt} attempts: ${why}`);
  return 1;
}

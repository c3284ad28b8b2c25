/**
 * Waits until a task has ended and tells how: its result on standard output, why it failed on standard error.
 * The looks at the record are src/operations/watch/waiting.ts's; a broker that is away is borne for a while.
 */
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, moveOnAfter } from "../../concurrency/index.ts";
import { taskView } from "../../operations/views/task-view.ts";
import { untilEnded, type WaitingBroker } from "../../operations/watch/waiting.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import { formatDuration } from "../../task/times/durations.ts";
import { howMany } from "../output/how-many.ts";
import { sayIfLost } from "../output/outlets.ts";
import { note, printJson } from "../output/print.ts";
import { CommandFailure, EXIT_FAILED } from "./exit.ts";
import { patiently } from "./with-broker.ts";

/** The part of a broker that a wait needs. */
export type WaitBroker = Pick<Broker, "url" | "connection" | "record"> & WaitingBroker;

export interface WaitOptions {
  readonly json: boolean;
  /** How long to wait, in ms; absent: to the end. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Waits for the end; where the task waits for something that may never come, it says so after 2 s. A cancel of `scope`,
 * a broker that stays away, or the time that is over end the wait and say that the task goes on.
 *
 * @returns the exit code: 0 when it is done, 1 when it is dead or cancelled, or has not ended in time.
 * @throws BrokerUnavailableError when the broker stayed away; the cancel of `scope`; CommandFailure when nobody knows
 * how
 *   it ended.
 */
export async function waitForTask(
  broker: WaitBroker,
  scope: CancelScope,
  id: string,
  { json, timeoutMs }: WaitOptions,
): Promise<number> {
  const wait = new Wait(broker, id);
  try {
    if (timeoutMs === undefined) return tell(await wait.end(scope), json);
    const inTime = await moveOnAfter(scope, timeoutMs, (within) => wait.end(within));
    if (!inTime.cancelled) return tell(inTime.value, json);
    const state = wait.seen === null ? "how it stands is not known" : `it is ${wait.seen.state}`;
    note(
      `taskexe: ${id} has not ended within ${formatDuration(timeoutMs)}: ${state}, and goes on; see: taskexe ` +
        `task ${id}`,
    );
    return EXIT_FAILED;
  } catch (error) {
    if (!(error instanceof CommandFailure)) note(`taskexe: ${id} goes on without us; see: taskexe task ${id}`);
    throw error;
  }
}

class Wait {
  /** The record as it was seen last; null: not yet. */
  seen: TaskRecord | null = null;
  readonly #broker: WaitBroker;
  readonly #id: string;

  constructor(broker: WaitBroker, id: string) {
    this.#broker = broker;
    this.#id = id;
  }

  async end(scope: CancelScope): Promise<TaskRecord> {
    const record = await untilEnded(this.#broker, this.#id, scope, {
      ask: (question) => patiently(this.#broker, scope, question),
      seen: (one) => {
        this.seen = one;
      },
      waits: (reason) => note(`taskexe: ${this.#id} waits: ${reason}`),
    });
    if (record === null) throw new CommandFailure(goneText(this.#id));
    return record;
  }
}

/** Said of a task that had a record and has none any more. */
export function goneText(id: string): string {
  return `no record of ${id} is there any more: it has ended and none was kept, or the broker lost what it held`;
}

function tell(record: TaskRecord, json: boolean): number {
  sayIfLost(`the task ${record.id} is ${record.state}; see: taskexe task ${record.id}`);
  if (json) printJson(taskView(record));
  else if (record.state === "done") printJson(record.result ?? null);
  if (record.state === "done") {
    if (record.result_omitted !== null) note(`taskexe: ${record.id} is done, but ${record.result_omitted}`);
    return 0;
  }
  const why = record.reason ?? record.error?.message ?? "no reason is recorded";
  note(`taskexe: ${record.id} is ${record.state} after ${howMany(record.attempt, "attempt")}: ${why}`);
  return 1;
}

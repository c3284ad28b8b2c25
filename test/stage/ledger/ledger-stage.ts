/**
 * A stage whose executors know the task type `ledger`: each of its attempts writes into one file that it began and that
 * it ended, so a test counts what really ran, whatever a broker says.
 */
import { writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { untilAvailable } from "../../../src/broker/availability.ts";
import type { Broker, EnqueueRequest } from "../../../src/broker/broker.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import type { ExecutorOptions, ExecutorProcess } from "../executor.ts";
import { requestOf } from "../outcomes.ts";
import { Stage } from "../stage.ts";
import { LEDGER_TASKS, type LedgerLine, readLedger } from "./ledger.ts";

/** How many tasks one enqueue call of a test takes, and how many records are read at once. */
const CHUNK = 500;

export class LedgerStage extends Stage {
  #executors = 0;

  constructor() {
    super();
    writeFileSync(this.path("ledger"), "");
  }

  /** Starts an executor that knows the task type `ledger`, with state of its own, and waits until it is ready. */
  override async executor(options: Partial<ExecutorOptions> = {}): Promise<ExecutorProcess> {
    const folder = this.path(`executor-${this.#executors++}`);
    const env = { LEDGER: this.path("ledger"), ...options.env };
    return super.executor({ tasks: LEDGER_TASKS, folder, ...options, env });
  }

  /** Lets the tasks go on that wait for this gate. */
  async openGate(gate: string): Promise<void> {
    await writeFile(gate, "");
  }

  ledger(): LedgerLine[] {
    return readLedger(this.path("ledger"));
  }

  /**
   * How many attempts an executor has begun, as the tasks themselves say it. Its status counts one sooner: it may still
   * ask the broker whether the task was cancelled.
   */
  begunBy({ pid }: ExecutorProcess): number {
    return this.ledger().filter((line) => line.what === "start" && line.pid === pid).length;
  }
}

/** `count` tasks of the type `ledger`; their records are kept for an hour. */
export function ledgerTasks(
  count: number,
  payload: { readonly ms?: number; readonly gate?: string },
  prefix = "task",
): EnqueueRequest[] {
  return Array.from({ length: count }, (_, index) => requestOf(`${prefix}-${index}`, "ledger", payload));
}

/** Enqueues as a careful producer does: what the broker did not answer is sent again under the same ids. */
export async function enqueueAll(broker: Broker, requests: readonly EnqueueRequest[]): Promise<string[]> {
  const { signal } = openRoot();
  for (let at = 0; at < requests.length; at += CHUNK) {
    await untilAvailable(() => broker.enqueue(requests.slice(at, at + CHUNK)), signal);
  }
  return requests.map(({ id }) => id);
}

/** The records of these ids, in order. */
export async function recordsOf(broker: Broker, ids: readonly string[]): Promise<(TaskRecord | null)[]> {
  const records: (TaskRecord | null)[] = [];
  for (let at = 0; at < ids.length; at += CHUNK) {
    records.push(...(await Promise.all(ids.slice(at, at + CHUNK).map((id) => broker.record(id)))));
  }
  return records;
}

/** The ids whose record does not say: done, and completed once. */
export async function notDoneOnce(broker: Broker, ids: readonly string[]): Promise<string[]> {
  const records = await recordsOf(broker, ids);
  return ids.filter((_, index) => records[index]?.state !== "done" || records[index]?.completions !== 1);
}

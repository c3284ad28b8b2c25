/**
 * What a test of the whole needs, and the end of it: a folder, a ledger, executor processes, clients of a broker.
 * Everything that was started through it is ended when the block ends, last started first; where the block fails, the
 * executors' logs are shown.
 */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { untilAvailable } from "../../src/broker/availability.ts";
import type { Broker, EnqueueRequest } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/open-broker.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { formatMessage } from "../../src/task/message.ts";
import type { TaskRecord } from "../../src/task/record.ts";
import { ExecutorProcess, type ExecutorProcessOptions } from "./executor-process.ts";
import { LEDGER_TASKS, type LedgerLine, readLedger } from "./ledger.ts";

const HOUR = 3_600_000;
/** How many tasks one enqueue call of a test takes, and how many records are read at once. */
const CHUNK = 500;

export class Fleet {
  /** A folder for whatever the test writes; removed at the end. */
  readonly folder: string;
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #executors: ExecutorProcess[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  /** A path inside the folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Has this done at the end, before whatever was started earlier is ended. */
  atEnd(end: () => Promise<void>): void {
    this.#ends.push(end);
  }

  /** Starts an executor that knows the task type `ledger`, and waits until it is ready. */
  async executor(
    options: Omit<ExecutorProcessOptions, "folder"> & { readonly folder?: string },
  ): Promise<ExecutorProcess> {
    const folder = options.folder ?? this.path(`executor-${this.#executors.length}`);
    await mkdir(folder, { recursive: true });
    const env = { LEDGER: this.path("ledger"), ...options.env };
    const executor = await ExecutorProcess.start({ tasks: LEDGER_TASKS, ...options, folder, env });
    this.#executors.push(executor);
    this.atEnd(() => executor.end());
    return executor;
  }

  /** A broker object that enqueues and looks on. */
  async client(url: string): Promise<Broker> {
    const broker = await createBroker(url, { executor: null, queues: ["common"], leaseMs: 30_000 });
    const root = openRoot();
    this.atEnd(async () => {
      root.cancel("the test is over");
      await broker.close();
    });
    await broker.open(root.signal);
    return broker;
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

  /** The last lines of every executor's log. */
  logs(): string {
    const tail = (log: string) => log.split("\n").slice(-25).join("\n");
    return this.#executors.map((executor) => `-- executor ${executor.pid}\n${tail(executor.log())}`).join("\n");
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

/** Gives a fleet to `use` and ends it, however `use` ends. */
export async function withFleet(use: (fleet: Fleet) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-fleet-"));
  const fleet = new Fleet(folder);
  await writeFile(fleet.path("ledger"), "");
  try {
    await use(fleet);
  } catch (error) {
    process.stderr.write(`${fleet.logs()}\n`);
    throw error;
  } finally {
    await fleet.end();
    await rm(folder, { recursive: true, force: true });
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

export function requestOf(id: string, type: string, payload: unknown): EnqueueRequest {
  const message = formatMessage({ id, type, payload });
  return { id, type, queue: "common", priority: 0, message, retentionMs: HOUR };
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

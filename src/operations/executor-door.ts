/**
 * What handlers that run apart ask of their executor by `connect()` without an address: enqueues, records, cancels, and
 * the steps of locks that they keep themselves. Such handlers have no broker, and these ask for no task, so that
 * nothing is a child of another here.
 */
import { untilAvailable } from "../broker/availability.ts";
import { type Broker, BrokerUnavailableError, type CancelReceipt, type EnqueueReceipt } from "../broker/broker.ts";
import type { LockTry } from "../broker/contract/locks.ts";
import { type CancelScope, moveOnAfter } from "../concurrency/index.ts";
import type { TaskRecord } from "../task/record/record.ts";
import { sending } from "../task/trace/sending.ts";
import { prepareChildren } from "./children.ts";
import type { KnownType, Preparation } from "./prepare.ts";
import { findTask } from "./search/find-task.ts";

/** So many enqueues may wait at once. */
const MOST_WAITING = 10_000;

export interface DoorParts {
  readonly broker: Broker;
  readonly preparation: Preparation;
  readonly known: (type: string) => KnownType | undefined;
  /** Nothing waits beyond it. */
  readonly scope: CancelScope;
}

/** A step of a lock, that whoever asks keeps. */
interface LockStep {
  readonly step: "take" | "renew" | "free";
  readonly name: string;
  readonly owner: string;
  readonly ttlMs: number;
}

export class ExecutorDoor {
  readonly #parts: DoorParts;
  #waiting = 0;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  /**
   * Enqueues all of them or none. While the broker is away it waits, and sends them again under the same ids.
   *
   * @throws (rejects) InvalidTaskError; BrokerUnavailableError where the broker was away for `waitMs`.
   */
  async enqueue(tasks: readonly unknown[], waitMs: number): Promise<readonly EnqueueReceipt[]> {
    const { broker, preparation, known, scope } = this.#parts;
    if (this.#waiting >= MOST_WAITING) throw new BrokerUnavailableError(`${MOST_WAITING} enqueues wait already`);
    this.#waiting++;
    try {
      const { send, tasks: prepared } = await prepareChildren(broker, preparation, known, { parent: undefined, tasks });
      return await sending(prepared, async () => {
        const sent = await moveOnAfter(scope, waitMs, ({ signal }) => untilAvailable(send, signal));
        if (!sent.cancelled) return sent.value;
        const reason = broker.connection().lastError ?? "it does not answer";
        throw new BrokerUnavailableError(`not enqueued within ${waitMs} ms: the broker ${broker.url}: ${reason}`);
      });
    } finally {
      this.#waiting--;
    }
  }

  async task(id: string): Promise<TaskRecord | null> {
    return (await findTask(this.#parts.broker, id)).record;
  }

  cancel(ids: readonly string[]): Promise<readonly CancelReceipt[]> {
    return this.#parts.broker.cancel(ids);
  }

  /** @throws (rejects) what the broker throws. */
  hold({ step, name, owner, ttlMs }: LockStep): Promise<LockTry | boolean> {
    const { locks } = this.#parts.broker;
    return step === "free" ? locks.free(name, owner) : locks[step](name, owner, ttlMs);
  }
}

/**
 * The attempts in flight: one entry each, from the start of the attempt until its outcome is recorded or given up.
 * Says how many slots are taken: an attempt that was abandoned keeps its slot until its handler really ends.
 */

import type { Delivery } from "../../broker/broker.ts";
import type { CancelScope } from "../../concurrency/index.ts";
import type { TaskDefinition } from "../../handlers/define-task.ts";
import type { TaskMessage } from "../../task/message-schema.ts";
import { EndedLately, type TaskName } from "./ended-lately.ts";

/** Why an attempt was stopped from outside. */
export type StopCause = "cancel" | "lost" | "hand-back";

export class RunningTask {
  readonly delivery: Delivery;
  readonly scope: CancelScope;
  /** Unix ms on the broker's clock. */
  readonly startedAt: number;
  message: TaskMessage | null = null;
  /** The handler of its type; undefined where this executor has none. */
  definition: TaskDefinition | undefined;
  progress = 0;
  /** The log of progress messages; null until the handler tells something. */
  log: string | null = null;
  lastMessage = "";
  /** True while something told has not been written. */
  untold = false;
  /** Whether the handler wrote a line to the task's own log. */
  hasLogged = false;
  /** Once the attempt has ended nothing that its handler tells belongs to the task any more. */
  hasEnded = false;
  stop: StopCause | null = null;
  stopReason = "";
  /** Its neighbours among the attempts in flight. */
  previous: RunningTask | null = null;
  next: RunningTask | null = null;
  /** How many functions of this attempt ignore the cancel and run on: the handler, children of its nursery. */
  abandonedParts = 0;

  constructor(delivery: Delivery, scope: CancelScope, startedAt: number) {
    this.delivery = delivery;
    this.scope = scope;
    this.startedAt = startedAt;
  }

  get attempt(): number {
    return this.message?.options.attempt ?? 1;
  }

  /** How often an executor died or stalled over the task, in this attempt and in earlier ones. */
  get crashes(): number {
    return (this.message?.options.crashes ?? 0) + this.delivery.deliveries - 1;
  }

  /** Cancels the attempt; the first cause wins. */
  end(cause: StopCause, reason: string): void {
    if (this.stop !== null) return;
    this.stop = cause;
    this.stopReason = reason;
    this.scope.cancel(reason);
  }
}

export class RunningTasks {
  #expected = 0;
  /**
   * In the order of their start, linked. A Set under such a turnover grows anew every hundred tasks, and each table
   * that it leaves behind keeps what it held, until the next full collection: that cost a twelfth of the speed.
   */
  #first: RunningTask | null = null;
  #last: RunningTask | null = null;
  #count = 0;
  #begun = 0;
  readonly #abandoned = new Set<RunningTask>();
  readonly #ended = new EndedLately();

  /**
   * An attempt is about to begin: its slot is taken from now on. A task starts with the next microtask, and whoever
   * counted slots before that would claim for one that is gone.
   */
  expect(): void {
    this.#expected++;
  }

  /** An expected attempt has begun. */
  add(task: RunningTask): void {
    this.#expected--;
    this.#count++;
    this.#begun++;
    task.previous = this.#last;
    if (this.#last === null) this.#first = task;
    else this.#last.next = task;
    this.#last = task;
  }

  /** Once for each attempt that was added. */
  remove(task: RunningTask): void {
    task.hasEnded = true;
    this.#count--;
    if (task.message !== null) this.#ended.add(task.message);
    if (task.previous === null) this.#first = task.next;
    else task.previous.next = task.next;
    if (task.next === null) this.#last = task.previous;
    else task.next.previous = task.previous;
    task.previous = null;
    task.next = null;
  }

  /** Which tasks run, those that were left behind too, and which ended last. */
  names(): { readonly running: TaskName[]; readonly ended: TaskName[] } {
    const running = [...this.#all(), ...this.#abandoned].flatMap(({ message }) =>
      message === null ? [] : [{ id: message.id, type: message.type }],
    );
    return { running, ended: this.#ended.names() };
  }

  /** A part of the attempt was left behind: the attempt keeps its slot until every such part is freed. */
  abandon(task: RunningTask): void {
    task.abandonedParts++;
    this.#abandoned.add(task);
  }

  free(task: RunningTask): void {
    task.abandonedParts--;
    if (task.abandonedParts === 0) this.#abandoned.delete(task);
  }

  /** How many attempts have begun since the executor did. */
  get begun(): number {
    return this.#begun;
  }

  /** How many slots are taken. */
  get slots(): number {
    return this.size + this.#abandoned.size;
  }

  /** How many attempts run or are about to. */
  get size(): number {
    return this.#expected + this.#count;
  }

  get abandonedCount(): number {
    return this.#abandoned.size;
  }

  /** Those of this moment, whatever begins or ends meanwhile. */
  [Symbol.iterator](): Iterator<RunningTask> {
    return this.#all().values();
  }

  #all(): RunningTask[] {
    const tasks: RunningTask[] = [];
    for (let task = this.#first; task !== null; task = task.next) tasks.push(task);
    return tasks;
  }

  abandonedTasks(): Iterable<RunningTask> {
    return this.#abandoned.values();
  }

  deliveries(): Iterable<Delivery> {
    return this.#all().map(({ delivery }) => delivery);
  }

  /** The attempts of one task id: more than one only where a producer sent the id twice. */
  withId(id: string): RunningTask[] {
    return this.#all().filter((task) => task.message?.id === id);
  }

  withHandle(handle: string): RunningTask | undefined {
    return this.#all().find(({ delivery }) => delivery.handle === handle);
  }
}

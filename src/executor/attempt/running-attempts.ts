/**
 * The attempts in flight: one entry each, from the start of the attempt until its outcome is recorded or given up.
 * Says how many slots are taken: an attempt that was abandoned keeps its slot until its handler really ends, and one
 * that waits for a runner has none until it begins.
 */
import { getLogger } from "@logtape/logtape";
import type { Delivery } from "../../broker/broker.ts";
import type { Attempt } from "./attempt.ts";
import { EndedLately, type TaskName } from "./ended-lately.ts";

const logger = getLogger(["taskexe", "executor"]);

export class RunningAttempts {
  #expected = 0;
  /**
   * In the order of their start, linked. A Set under such a turnover grows anew every hundred tasks, and each table
   * that it leaves behind keeps what it held, until the next full collection: that cost a twelfth of the speed.
   */
  #first: Attempt | null = null;
  #last: Attempt | null = null;
  #count = 0;
  #begun = 0;
  #parked = 0;
  readonly #abandoned = new Set<Attempt>();
  readonly #ended = new EndedLately();

  /**
   * An attempt is about to begin: its slot is taken from now on. A task starts with the next microtask, and whoever
   * counted slots before that would claim for one that is gone.
   */
  expect(): void {
    this.#expected++;
  }

  /** An expected attempt has begun. */
  add(task: Attempt): void {
    this.#expected--;
    this.#count++;
    this.#begun++;
    task.previous = this.#last;
    if (this.#last === null) this.#first = task;
    else this.#last.next = task;
    this.#last = task;
  }

  /** Told whenever one waits for a runner, or does so no more. */
  changed: () => void = () => {};

  /** It holds no slot until it begins. */
  park(task: Attempt): void {
    if (task.isParked || task.hasBegun || task.hasEnded) return;
    task.isParked = true;
    this.#parked++;
    this.changed();
  }

  /** It begins, or has ended. */
  unpark(task: Attempt): void {
    if (!task.isParked) return;
    task.isParked = false;
    this.#parked--;
    this.changed();
  }

  /** Once for each attempt that was added. */
  remove(task: Attempt): void {
    this.unpark(task);
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
  abandon(task: Attempt): void {
    task.abandonedParts++;
    this.#abandoned.add(task);
  }

  /** A part that was left behind has ended. True: it was the last one, and the slot is free again. */
  free(task: Attempt): boolean {
    task.abandonedParts--;
    if (task.abandonedParts > 0) return false;
    this.#abandoned.delete(task);
    logger.info("The abandoned task {id} has ended; its slot is free again", { id: task.id });
    return true;
  }

  /** How many attempts have begun since the executor did. */
  get begun(): number {
    return this.#begun;
  }

  /** How many slots are taken. */
  get slots(): number {
    return this.size - this.#parked + this.#abandoned.size;
  }

  /** How many wait for a runner. */
  get parked(): number {
    return this.#parked;
  }

  /** How many attempts run or are about to. */
  get size(): number {
    return this.#expected + this.#count;
  }

  get abandonedCount(): number {
    return this.#abandoned.size;
  }

  /** Those of this moment, whatever begins or ends meanwhile. */
  [Symbol.iterator](): Iterator<Attempt> {
    return this.#all().values();
  }

  #all(): Attempt[] {
    const tasks: Attempt[] = [];
    for (let task = this.#first; task !== null; task = task.next) tasks.push(task);
    return tasks;
  }

  abandonedTasks(): Iterable<Attempt> {
    return this.#abandoned.values();
  }

  deliveries(): Iterable<Delivery> {
    return this.#all().map(({ delivery }) => delivery);
  }

  /** The attempts of one task id: more than one only where a producer sent the id twice. */
  withId(id: string): Attempt[] {
    return this.#all().filter((task) => task.message?.id === id);
  }

  withHandle(handle: string): Attempt | undefined {
    return this.#all().find(({ delivery }) => delivery.handle === handle);
  }
}

/**
 * What all memory brokers of one name share: the tasks with their lists, flags, pauses, schedules, the fleet, and a
 * clock that a test can move. Every change of a task's state goes through here, so that no list is forgotten and no
 * move happens that the state table does not have. A call changes it in one go: nobody sees half of a change.
 */
import type { Latch } from "../../../concurrency/index.ts";
import { mayMove, type TaskState } from "../../../task/state.ts";
import type { AuditText } from "../../contract/audit.ts";
import type { Entry } from "./entry.ts";
import type { KeptSchedule } from "./kept-schedule.ts";
import { QueueBooks } from "./queue-books.ts";
import { SortedList } from "./sorted-list.ts";

/** Who holds a unique key of a queue; `until` null: until its task has ended. */
export interface KeyHolder {
  readonly entry: Entry;
  readonly until: number | null;
}

export class MemoryStore {
  readonly tasks = new Map<string, Entry>();
  readonly queues = new Map<string, QueueBooks>();
  readonly due = new SortedList<Entry>(({ dueAt, place }) => [dueAt ?? 0, place]);
  readonly expiring = new SortedList<Entry>(({ expiresAt, seq }) => [expiresAt ?? 0, seq]);
  /** By queue and key. */
  readonly keys = new Map<string, KeyHolder>();
  /** When each id was cancelled, Unix ms. */
  readonly flags = new Map<string, number>();
  readonly paused = { queue: new Set<string>(), type: new Set<string>() };
  /** What follows a cancel of a waiting task, by its type; "": of any. */
  readonly onCancelled = new Map<string, string>();
  readonly schedules = new Map<string, KeptSchedule>();
  /** The last beat of each executor. */
  readonly executors = new Map<string, { readonly at: number; readonly json: string }>();
  /** The order for each, until when it is there, and who is told of a new one. */
  readonly orders = new Map<string, { readonly json: string; readonly until: number }>();
  readonly orderListeners = new Set<(name: string) => void>();
  /** Locks of users, and the fence of the last one that was taken. */
  readonly locks = new Map<string, { readonly owner: string; readonly until: number }>();
  lastFence = 0;
  /** The record of changes, oldest first. */
  audit: readonly AuditText[] = [];
  cleaner: { readonly owner: string; readonly until: number } | null = null;
  /** Claims that wait for something to come. */
  readonly waiting = new Set<Latch>();
  readonly cancelListeners = new Set<(ids: readonly string[]) => void>();
  #last = 0;
  #aheadMs = 0;
  readonly #clock: () => number;

  /** @param clock - Unix ms; default: the machine's. */
  constructor(clock: () => number = Date.now) {
    this.#clock = clock;
  }

  /** Unix ms. */
  now(): number {
    return this.#clock() + this.#aheadMs;
  }

  /** Moves the clock forward. */
  advance(ms: number): void {
    this.#aheadMs += ms;
    this.ring();
  }

  /** Wakes the claims that wait. */
  ring(): void {
    for (const latch of this.waiting) latch.set();
  }

  /** A number that was never given before. */
  next(): number {
    this.#last += 1;
    return this.#last;
  }

  booksOf(queue: string): QueueBooks {
    const there = this.queues.get(queue);
    if (there !== undefined) return there;
    const made = new QueueBooks(queue);
    this.queues.set(queue, made);
    return made;
  }

  add(entry: Entry): void {
    this.tasks.set(entry.id, entry);
    this.booksOf(entry.queue).usedAt = this.now();
    this.#enlist(entry);
  }

  /** Changes a task and its state together. @throws Error for a move that the state table does not have. */
  move(entry: Entry, to: TaskState, change: Partial<Omit<Entry, "state">>): void {
    if (entry.state !== to && !mayMove(entry.state, to)) throw new Error(`${entry.id} is ${entry.state}, not ${to}`);
    this.#strike(entry);
    Object.assign(entry, change, { state: to });
    this.#enlist(entry);
  }

  /** Its unique keys that are held for a time stay. */
  remove(entry: Entry): void {
    this.#strike(entry);
    this.tasks.delete(entry.id);
    const books = this.booksOf(entry.queue);
    books.logged.remove(entry);
    books.logBytes -= entry.log.bytes;
  }

  #enlist(entry: Entry): void {
    this.booksOf(entry.queue).of(entry.state).add(entry);
    if (entry.dueAt !== null) this.due.add(entry);
    if (entry.expiresAt !== null) this.expiring.add(entry);
  }

  #strike(entry: Entry): void {
    this.booksOf(entry.queue).of(entry.state).remove(entry);
    if (entry.dueAt !== null) this.due.remove(entry);
    if (entry.expiresAt !== null) this.expiring.remove(entry);
  }
}

const STORES = new Map<string, MemoryStore>();

/** The one store of that name in this process; it is made where there is none. */
export function storeNamed(name: string): MemoryStore {
  const there = STORES.get(name);
  if (there !== undefined) return there;
  const made = new MemoryStore();
  STORES.set(name, made);
  return made;
}

/** The next broker of that name begins with nothing. */
export function forgetStore(name: string): void {
  STORES.delete(name);
}

/**
 * Waiting for the end of a task, and why it waits: nobody serves its queue, nobody knows its type, one of them is
 * paused, or its time has not come. Said from what executors tell of themselves in their heartbeats; where one does not
 * tell, nothing is made up.
 */

import type { Broker, FleetMember } from "../../broker/broker.ts";
import { type CancelScope, sleep } from "../../concurrency/index.ts";
import { CATCH_ALL } from "../../task/message/message-schema.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import { hasEnded } from "../../task/state.ts";

/** Executors beat each 30 s: one that has missed two beats is not reckoned with, in ms. */
export const LIVES_MS = 75_000;
/** What is due sooner needs no word, in ms. */
const SOON_MS = 2_000;
/** When a wait is looked into first, and how often then, in ms. */
const FIRST_LOOK_MS = 2_000;
const LOOK_MS = 2_000;
/** Between two looks at the record of a task that is waited for, in ms: the longer it takes, the more. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** How many names a sentence has. */
const MOST_NAMES = 10;

/** The part of a broker that this needs. */
export type WaitingBroker = Pick<Broker, "now" | "paused" | "fleet">;

/** Whoever waits for the end of a task. */
export interface EndWaiter {
  /** Asks the broker, and bears one that is away for as long as the waiter will. */
  ask<T>(question: () => Promise<T>): Promise<T>;
  /** Takes the record of each look. */
  seen(record: TaskRecord): void;
  /** Takes a reason why the task waits for something that may never come; each is told once. */
  waits(reason: string): void;
}

/**
 * Looks at the record of a task until it has ended.
 *
 * @returns the record; null: none is there, or not any more.
 * @throws (rejects) what `ask` throws; the cancel of `scope`.
 */
export async function untilEnded(
  broker: WaitingBroker & Pick<Broker, "record">,
  id: string,
  scope: CancelScope,
  waiter: EndWaiter,
): Promise<TaskRecord | null> {
  const reasons = new WaitingReasons(broker);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 1.5)) {
    const record = await waiter.ask(() => broker.record(id));
    if (record === null) return null;
    waiter.seen(record);
    if (hasEnded(record.state)) return record;
    const reason = await waiter.ask(() => reasons.next(record));
    if (reason !== null) waiter.waits(reason);
    await sleep(pause, scope.signal);
  }
}

/** The reasons of one wait, each told once. */
export class WaitingReasons {
  readonly #broker: WaitingBroker;
  readonly #now: () => number;
  readonly #told = new Set<string>();
  #nextLookAt: number;

  /** @param now - a clock that only goes forward, in ms. */
  constructor(broker: WaitingBroker, now: () => number = () => performance.now()) {
    this.#broker = broker;
    this.#now = now;
    this.#nextLookAt = now() + FIRST_LOOK_MS;
  }

  /**
   * A reason that has not been told yet; null: there is none, or it is too early to say. To be asked at each look at
   * the record.
   */
  async next(record: TaskRecord): Promise<string | null> {
    if (this.#now() < this.#nextLookAt) return null;
    this.#nextLookAt = this.#now() + LOOK_MS;
    const why = await whyWaiting(this.#broker, record);
    if (why === null || this.#told.has(why.kind)) return null;
    this.#told.add(why.kind);
    return why.reason;
  }
}

/** A reason, and what it is about: what is about the same is told once, whatever changed in its words. */
export interface Waiting {
  readonly kind: "due" | "queue paused" | "type paused" | "queue" | "type";
  readonly reason: string;
}

/** Why the task does not run; null: it runs or has ended, or will run when its turn comes, as far as can be known. */
export async function whyWaiting(broker: WaitingBroker, record: TaskRecord): Promise<Waiting | null> {
  const { state, queue, type } = record;
  if (state === "scheduled" && isLater(record, broker)) return due("it is due", record);
  if (state !== "queued" && state !== "scheduled" && state !== "retrying") return null;
  const paused = await broker.paused();
  for (const [kind, name] of [
    ["queue", queue],
    ["type", type],
  ] as const) {
    if (!paused.some((target) => target.kind === kind && target.name === name)) continue;
    return { kind: `${kind} paused`, reason: `the ${kind} ${quoted(name)} is paused: taskexe resume ${kind} ${name}` };
  }
  const nobody = nobodyFor(record, livingOf(await broker.fleet(), broker.now()));
  if (nobody !== null) return nobody;
  return state === "retrying" && isLater(record, broker) ? due("its next attempt is due", record) : null;
}

function isLater({ due_at: at }: TaskRecord, broker: WaitingBroker): boolean {
  return at !== null && at > broker.now() + SOON_MS;
}

function due(what: string, { due_at: at }: TaskRecord): Waiting {
  return { kind: "due", reason: `${what} at ${new Date(at ?? 0).toISOString()}` };
}

/** What an executor serves; null: it does not tell. */
export interface Serving {
  readonly queues: readonly string[] | null;
  readonly types: readonly string[] | null;
}

/** What those serve that beat lately. */
export function livingOf(fleet: readonly FleetMember[], now: number): Serving[] {
  return fleet
    .filter(({ at }) => at !== null && now - at < LIVES_MS)
    .map(({ beat }) => ({
      queues: beat?.queues ?? null,
      types: beat?.more_types === undefined ? (beat?.types ?? null) : null,
    }));
}

function nobodyFor({ queue, type }: TaskRecord, executors: readonly Serving[]): Waiting | null {
  if (executors.length === 0) {
    return {
      kind: "queue",
      reason: `no executor runs, so none serves the queue ${quoted(queue)}: taskexe run --queues ${queue}`,
    };
  }
  const serving = executors.filter(({ queues }) => queues?.includes(queue) ?? true);
  if (serving.length === 0) {
    const served = named(executors.flatMap(({ queues }) => queues ?? []));
    return { kind: "queue", reason: `no executor serves the queue ${quoted(queue)}; those that run serve ${served}` };
  }
  if (serving.some(({ types }) => types === null || types.includes(type) || types.includes(CATCH_ALL))) return null;
  const known = named(serving.flatMap(({ types }) => types ?? []));
  return {
    kind: "type",
    reason:
      `no executor that serves the queue ${quoted(queue)} knows the type ${quoted(type)}; ` +
      `known there are ${known}`,
  };
}

function named(names: readonly string[]): string {
  const all = [...new Set(names)].sort();
  const more = all.length > MOST_NAMES ? ` and ${all.length - MOST_NAMES} more` : "";
  return `${all.slice(0, MOST_NAMES).join(", ")}${more}`;
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

/**
 * A broker as whoever sees it that is limited to some queues: tasks and schedules of others are not there, are not
 * counted, and cannot be changed. It is put between the operations and the broker, so that each of them holds to it.
 */
import type { Broker, FleetMember } from "../../broker/broker.ts";
import type { ListPage, ListQuery, PauseTarget } from "../../broker/contract/admin.ts";
import type { Looked } from "../../broker/contract/producer.ts";
import type { ScheduleDefinition, Schedules } from "../../broker/contract/schedules.ts";
import { readCursor, writeCursor } from "../../broker/list-cursor.ts";
import { DEFAULT_QUEUE } from "../../task/options/enqueue-options.ts";
import { runOptions } from "../../task/options/schedule-options.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import { findTask } from "../search/find-task.ts";

/** What is asked of a broker on behalf of others: all of it holds to the limits. */
export type AskedBroker = Pick<
  Broker,
  | ("url" | "connection" | "now" | "audit" | "enqueue" | "cancel" | "record" | "lookFor" | "list" | "retry")
  | ("edit" | "purge")
  | ("counts" | "otherQueues" | "pause" | "resume" | "paused" | "logs" | "logsAfter" | "glance" | "fleet")
  | ("member" | "order")
  | ("listSchedules" | "countSchedules" | "schedule" | "changeSchedule" | "removeSchedule" | "states")
>;

/** What was asked for is of a queue that whoever asks may not touch. */
export class QueueForbiddenError extends Error {
  override readonly name = "QueueForbiddenError";
}

/** How many records are read side by side. */
const AT_ONCE = 50;
/** Of so many ids those are looked for that have no record. */
const MOST_LOOKED_FOR = 10;
/** Keys of a heartbeat that tell nothing of tasks. */
const OPEN_KEYS = ["boot_at", "concurrency", "state", "version", "lease_ms", "host", "pid"] as const;
/** A cursor of ours holds that of the broker, or nothing where a queue begins. */
const PLACES = /^[A-Za-z0-9_-]{0,120}$/;

type Glances = Awaited<ReturnType<Broker["glance"]>>;

export class LimitedBroker implements AskedBroker {
  readonly #broker: AskedBroker;
  readonly #queues: ReadonlySet<string>;

  constructor(broker: AskedBroker, queues: ReadonlySet<string>) {
    this.#broker = broker;
    this.#queues = queues;
  }

  get url(): string {
    return this.#broker.url;
  }

  /** It is of the whole broker. */
  get audit(): Broker["audit"] {
    throw new QueueForbiddenError("the record of changes is of all queues");
  }

  connection(): ReturnType<Broker["connection"]> {
    return this.#broker.connection();
  }

  now(): number {
    return this.#broker.now();
  }

  async enqueue(requests: Parameters<Broker["enqueue"]>[0]): ReturnType<Broker["enqueue"]> {
    for (const { queue } of requests) this.#check(queue);
    return this.#broker.enqueue(requests);
  }

  async cancel(ids: readonly string[]): ReturnType<Broker["cancel"]> {
    const ours = await this.#ours(ids, ids.length <= MOST_LOOKED_FOR);
    const receipts = new Map((await this.#broker.cancel(ids.filter((id) => ours.has(id)))).map((one) => [one.id, one]));
    return ids.map((id) => receipts.get(id) ?? { id, state: null });
  }

  async retry(ids: readonly string[], payload?: string): ReturnType<Broker["retry"]> {
    const ours = await this.#ours(ids);
    const made = await this.#broker.retry(
      ids.filter((id) => ours.has(id)),
      payload,
    );
    const receipts = new Map(made.map((one) => [one.id, one]));
    return ids.map((id) => receipts.get(id) ?? { id, state: null, retried: false });
  }

  async edit(edits: Parameters<Broker["edit"]>[0]): ReturnType<Broker["edit"]> {
    const ours = await this.#ours(edits.map(({ id }) => id));
    const receipts = new Map(
      (await this.#broker.edit(edits.filter(({ id }) => ours.has(id)))).map((one) => [one.id, one]),
    );
    return edits.map(({ id }) => receipts.get(id) ?? { id, state: null, edited: false });
  }

  async record(id: string): Promise<TaskRecord | null> {
    const record = await this.#broker.record(id);
    return record !== null && this.#queues.has(record.queue) ? record : null;
  }

  async lookFor(id: string): Promise<Looked> {
    const { record, gaveUpAfter } = (await this.#broker.lookFor?.(id)) ?? { record: null, gaveUpAfter: null };
    return { record: record !== null && this.#queues.has(record.queue) ? record : null, gaveUpAfter };
  }

  /** One queue after the other, oldest first within each. */
  async list({ queue, cursor, ...query }: ListQuery): Promise<ListPage> {
    if (queue !== undefined && !this.#queues.has(queue)) return { tasks: [], cursor: null };
    if (queue !== undefined) return this.#broker.list({ ...query, queue, ...(cursor === undefined ? {} : { cursor }) });
    const queues = [...this.#queues].sort();
    const from = cursor === undefined ? { source: 0, place: "" } : readCursor(cursor, PLACES);
    const one = queues[from.source];
    if (one === undefined) throw new RangeError(`the cursor "${cursor}" is not one that a list has given`);
    const page = await this.#broker.list({
      ...{ ...query, queue: one },
      ...(from.place === "" ? {} : { cursor: from.place }),
    });
    if (page.cursor !== null) return { ...page, cursor: writeCursor(from.source, page.cursor) };
    const next = from.source + 1;
    return { ...page, cursor: next < queues.length ? writeCursor(next, "") : null };
  }

  async purge({ queue, ...query }: Parameters<Broker["purge"]>[0], max: number): Promise<number> {
    if (queue !== undefined) return this.#queues.has(queue) ? this.#broker.purge({ ...query, queue }, max) : 0;
    let left = max;
    for (const one of this.#queues) {
      if (left > 0) left -= await this.#broker.purge({ ...query, queue: one }, left);
    }
    return max - left;
  }

  async counts(queues?: readonly string[]): ReturnType<Broker["counts"]> {
    if (queues !== undefined) return this.#broker.counts(queues.filter((queue) => this.#queues.has(queue)));
    return (await this.#broker.counts()).filter(({ name }) => this.#queues.has(name));
  }

  /** Those that it is limited to, but those that the broker was opened with. */
  async otherQueues(max: number): ReturnType<Broker["otherQueues"]> {
    const own = new Set((await this.counts()).map(({ name }) => name));
    const others = [...this.#queues].filter((queue) => !own.has(queue)).sort();
    return { names: others.slice(0, max), count: others.length };
  }

  async pause(target: PauseTarget): Promise<void> {
    this.#checkTarget(target);
    await this.#broker.pause(target);
  }

  async resume(target: PauseTarget): Promise<void> {
    this.#checkTarget(target);
    await this.#broker.resume(target);
  }

  /** A paused type holds tasks of every queue. */
  async paused(): Promise<PauseTarget[]> {
    return (await this.#broker.paused()).filter(({ kind, name }) => kind === "type" || this.#queues.has(name));
  }

  async logs(id: string): ReturnType<Broker["logs"]> {
    return (await this.record(id)) === null ? [] : this.#broker.logs(id);
  }

  async logsAfter(id: string, after: number): ReturnType<Broker["logsAfter"]> {
    return (await this.record(id)) === null ? { lines: [], last: 0 } : this.#broker.logsAfter(id, after);
  }

  async glance(asked: Parameters<Broker["glance"]>[0]): Promise<Glances> {
    // Whoever hands back what it was given before has been let see it, and a task stays in its queue.
    const ours = await this.#ours(asked.filter(({ seen }) => seen === null).map(({ id }) => id));
    const shown = asked.filter(({ id, seen }) => seen !== null || ours.has(id));
    const answers = await this.#broker.glance(shown);
    const found = new Map(shown.map((one, index) => [one, answers[index] ?? null]));
    return asked.map((one) => found.get(one) ?? null);
  }

  async fleet(): Promise<FleetMember[]> {
    return (await this.#broker.fleet()).map((member) => limitedMember(member, this.#queues));
  }

  /** Nothing of one that serves other queues too is for whoever is limited. */
  async member(): ReturnType<Broker["member"]> {
    throw new QueueForbiddenError("an executor has tasks of every queue that it serves");
  }

  async order(): Promise<void> {
    throw new QueueForbiddenError("an executor has tasks of every queue that it serves");
  }

  async listSchedules({
    after,
    limit,
  }: Parameters<Schedules["listSchedules"]>[0]): ReturnType<Schedules["listSchedules"]> {
    const { schedules, next } = await this.#broker.listSchedules({ after, limit });
    const ours = schedules.filter((schedule) => this.#queues.has(queueOf(schedule)));
    if (next === null || ours.length > 0) return { schedules: ours, next: next === null ? null : lastOf(ours) };
    // A page of others alone: its cursor would name one of them.
    return this.listSchedules({ after: next, limit });
  }

  countSchedules(): Promise<number> {
    return this.#broker.countSchedules();
  }

  async schedule(name: string): ReturnType<Schedules["schedule"]> {
    const schedule = await this.#broker.schedule(name);
    return schedule !== null && this.#queues.has(queueOf(schedule)) ? schedule : null;
  }

  async changeSchedule(change: Parameters<Schedules["changeSchedule"]>[0]): ReturnType<Schedules["changeSchedule"]> {
    if (change.definition !== undefined) this.#check(queueOf(change.definition));
    if (change.revision === null && (await this.#broker.schedule(change.name)) !== null) {
      throw new QueueForbiddenError(`the name ${JSON.stringify(change.name)} is taken`);
    }
    return this.#broker.changeSchedule(change);
  }

  async removeSchedule(name: string): Promise<boolean> {
    return (await this.schedule(name)) !== null && this.#broker.removeSchedule(name);
  }

  /** Of the runs of schedules, which were read before. */
  states(ids: readonly string[]): ReturnType<Broker["states"]> {
    return this.#broker.states(ids);
  }

  /** @param find - whether those are looked for that have no record. */
  async #ours(ids: readonly string[], find = false): Promise<ReadonlySet<string>> {
    const ours = new Set<string>();
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      const some = ids.slice(from, from + AT_ONCE);
      const records = await Promise.all(
        some.map(async (id) => (find ? (await findTask(this, id)).record : this.record(id))),
      );
      for (const record of records) if (record !== null) ours.add(record.id);
    }
    return ours;
  }

  #checkTarget({ kind, name }: PauseTarget): void {
    if (kind === "type") throw new QueueForbiddenError("a type has tasks in every queue");
    this.#check(name);
  }

  #check(queue: string): void {
    if (this.#queues.has(queue)) return;
    const which = [...this.#queues].sort().join(", ");
    throw new QueueForbiddenError(`it may change ${which} alone, and not the queue ${JSON.stringify(queue)}`);
  }
}

/** What of an executor tells nothing of others' tasks. */
export function limitedMember<Member extends Pick<FleetMember, "beat">>(
  member: Member,
  queues: ReadonlySet<string>,
): Member {
  const { beat } = member;
  if (beat === null) return member;
  const open = Object.fromEntries(OPEN_KEYS.filter((key) => key in beat).map((key) => [key, beat[key]]));
  const served = beat.queues === undefined ? {} : { queues: beat.queues.filter((queue) => queues.has(queue)) };
  const { types, more_types } = beat;
  const known = { ...(types === undefined ? {} : { types }), ...(more_types === undefined ? {} : { more_types }) };
  return { ...member, beat: { ...open, ...served, ...known } };
}

function queueOf({ options, defaults }: Pick<ScheduleDefinition, "options" | "defaults">): string {
  return runOptions(options, defaults, 0).queue ?? DEFAULT_QUEUE;
}

function lastOf(schedules: readonly { readonly name: string }[]): string | null {
  return schedules.at(-1)?.name ?? null;
}

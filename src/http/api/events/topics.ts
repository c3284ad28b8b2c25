/**
 * What each topic of the events tells, as fields by name: of this executor out of memory, of the broker out of the look
 * that all share, of single tasks by one question to the broker for all of them.
 */
import { ifAvailable } from "../../../broker/availability.ts";
import type { Broker } from "../../../broker/broker.ts";
import type { ExecutorStatus, StatusSource } from "../../../executor/status/status.ts";
import { OUTCOME } from "../../../metrics/task-series.ts";
import type { TaskRecord } from "../../../task/record/record.ts";
import { limitedStatus, pairsOf } from "../../limited-status.ts";

export const TOPICS = ["overview", "queues", "types", "executors", "tasks"] as const;
/** Before the id of a task. */
export const TASK_TOPIC = "task:";

/** The topic for whoever is limited to queues: the same queues share it. */
export function topicFor(topic: string, queues: ReadonlySet<string> | null): string {
  return queues === null ? topic : `@${[...queues].sort().join(",")} ${topic}`;
}

/** A topic as it is called, and the queues that it is limited to. */
export function readTopic(key: string): { readonly topic: string; readonly queues: ReadonlySet<string> | null } {
  if (!key.startsWith("@")) return { topic: key, queues: null };
  const end = key.indexOf(" ");
  return { topic: key.slice(end + 1), queues: new Set(key.slice(1, end).split(",")) };
}

export type TopicFields = Readonly<Record<string, unknown>>;

const OUTCOMES = Object.keys(OUTCOME);
/** The longest text of a field, in characters: whoever wants all of it asks for the task. */
const MOST_TEXT = 2_000;

export class TopicReader {
  readonly #source: StatusSource;
  readonly #broker: Pick<Broker, "glance" | "record"> | null;
  /** How the tasks that somebody follows were seen last, by topic. */
  readonly #glances = new Map<string, string>();

  /** @param broker - null: no single tasks are told of. */
  constructor(source: StatusSource, broker: Pick<Broker, "glance" | "record"> | null) {
    this.#source = source;
    this.#broker = broker;
  }

  /** What these topics tell now; a task of which nothing has changed is left out. */
  async read(keys: ReadonlySet<string>): Promise<Map<string, TopicFields>> {
    const read = new Map<string, TopicFields>();
    const whole = lazily(() => this.#source.status());
    const followed: Followed[] = [];
    for (const key of keys) {
      const { topic, queues } = readTopic(key);
      if (topic.startsWith(TASK_TOPIC)) followed.push({ key, id: topic.slice(TASK_TOPIC.length), queues });
      else read.set(key, this.#fields(topic, queues, whole));
    }
    const broker = this.#broker;
    if (followed.length > 0 && broker !== null) await ifAvailable(() => this.#readTasks(broker, followed, read));
    return read;
  }

  #fields(topic: string, queues: ReadonlySet<string> | null, whole: () => ExecutorStatus): TopicFields {
    if (topic === "types") return this.#types(queues);
    const { tasks: counted } = this.#source.metrics.counts;
    const status = queues === null ? whole() : limitedStatus(whole(), queues, counted.pairs());
    switch (topic) {
      case "overview":
        return overview(status);
      case "tasks":
        return tasks(status);
      case "queues":
        return byName(status.queues);
      default:
        return executors(status);
    }
  }

  /** Nobody follows it any more. */
  forget(key: string): void {
    this.#glances.delete(key);
  }

  async #readTasks(
    broker: Pick<Broker, "glance" | "record">,
    followed: readonly Followed[],
    read: Map<string, TopicFields>,
  ): Promise<void> {
    const glances = await broker.glance(followed.map(({ key, id }) => ({ id, seen: this.#glances.get(key) ?? null })));
    for (const [index, glance] of glances.entries()) {
      const one = followed[index];
      if (glance === "same" || one === undefined) continue;
      const record = glance === null ? null : await broker.record(one.id);
      if (glance !== null) this.#glances.set(one.key, glance.seen);
      const isSeen = record !== null && one.queues?.has(record.queue) !== false;
      read.set(one.key, isSeen ? taskFields(record) : { state: null });
    }
  }

  #types(queues: ReadonlySet<string> | null): TopicFields {
    const counts = new Map<string, number[]>();
    const all = this.#source.metrics.counts.tasks.pairs();
    for (const { type, outcomes } of queues === null ? all : pairsOf(all, queues)) {
      const sum = counts.get(type) ?? OUTCOMES.map(() => 0);
      for (const [index, count] of outcomes.entries()) sum[index] = (sum[index] ?? 0) + count;
      counts.set(type, sum);
    }
    return Object.fromEntries(
      [...counts].map(([type, sum]) => [
        type,
        Object.fromEntries(OUTCOMES.map((outcome, index) => [outcome, sum[index]])),
      ]),
    );
  }
}

/** A task that somebody follows. */
interface Followed {
  readonly key: string;
  readonly id: string;
  /** The only ones that whoever follows it may see; null: all. */
  readonly queues: ReadonlySet<string> | null;
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function overview({ state, concurrency, slots_taken, queues, fleet, broker, counted_at }: ExecutorStatus): TopicFields {
  const sum = (of: "queued" | "running" | "scheduled" | "dead") =>
    queues.reduce((total, queue) => total + queue[of], 0);
  return {
    ...{ state, slots: concurrency, slots_busy: slots_taken, broker: broker.state, executors: fleet.length },
    ...{ queued: sum("queued"), running: sum("running"), scheduled: sum("scheduled"), dead: sum("dead"), counted_at },
  };
}

/** What this executor has done since it began. */
function tasks({ done, dead, cancelled, failed, retried, lost, slots_taken }: ExecutorStatus): TopicFields {
  const ended = done + dead + cancelled + retried + lost;
  return { started: ended + slots_taken, ended, done, dead, cancelled, failed, retried, lost };
}

function executors({ fleet }: ExecutorStatus): TopicFields {
  return Object.fromEntries(
    fleet.map(({ name, at, beat }) => {
      const { concurrency, slots_taken, done, failed, version, state } = beat ?? {};
      return [name, { at, state, concurrency, slots_taken, done, failed, version }];
    }),
  );
}

function byName<T extends { readonly name: string }>(all: readonly T[]): Readonly<Record<string, T>> {
  return Object.fromEntries(all.map((each) => [each.name, each]));
}

function taskFields(record: TaskRecord): TopicFields {
  const { state, queue, type, attempt, crashes, progress, executor, enqueued_at, started_at, finished_at } = record;
  return {
    ...{ state, queue, type, attempt, crashes, progress, executor, enqueued_at, started_at, finished_at },
    ...{ due_at: record.due_at, ended_by: record.ended_by },
    ...{ reason: record.reason?.slice(0, MOST_TEXT) ?? null, progress_msg: record.progress_msg.slice(-MOST_TEXT) },
  };
}

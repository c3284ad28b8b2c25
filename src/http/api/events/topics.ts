/**
 * What each topic of the events tells, as fields by name: of this executor out of memory, of the broker out of the look
 * that all share, of single tasks by one question to the broker for all of them.
 */
import { ifAvailable } from "../../../broker/availability.ts";
import type { Broker } from "../../../broker/broker.ts";
import type { ExecutorStatus, StatusSource } from "../../../executor/status/status.ts";
import { OUTCOME } from "../../../metrics/task-series.ts";
import type { TaskRecord } from "../../../task/record/record.ts";

export const TOPICS = ["overview", "queues", "types", "executors", "tasks"] as const;
/** Before the id of a task. */
export const TASK_TOPIC = "task:";

export type TopicFields = Readonly<Record<string, unknown>>;

const OUTCOMES = Object.keys(OUTCOME);
/** The longest text of a field, in characters: whoever wants all of it asks for the task. */
const MOST_TEXT = 2_000;

export class TopicReader {
  readonly #source: StatusSource;
  readonly #broker: Pick<Broker, "glance" | "record"> | null;
  /** How the tasks that somebody follows were seen last. */
  readonly #glances = new Map<string, string>();

  /** @param broker - null: no single tasks are told of. */
  constructor(source: StatusSource, broker: Pick<Broker, "glance" | "record"> | null) {
    this.#source = source;
    this.#broker = broker;
  }

  /** What these topics tell now; a task of which nothing has changed is left out. */
  async read(topics: ReadonlySet<string>): Promise<Map<string, TopicFields>> {
    const read = new Map<string, TopicFields>();
    if (topics.has("types")) read.set("types", this.#types());
    if (["overview", "queues", "executors", "tasks"].some((topic) => topics.has(topic))) {
      const status = this.#source.status();
      if (topics.has("overview")) read.set("overview", overview(status));
      if (topics.has("tasks")) read.set("tasks", tasks(status));
      if (topics.has("queues")) read.set("queues", byName(status.queues));
      if (topics.has("executors")) read.set("executors", executors(status));
    }
    const ids = [...topics]
      .filter((topic) => topic.startsWith(TASK_TOPIC))
      .map((topic) => topic.slice(TASK_TOPIC.length));
    const broker = this.#broker;
    if (ids.length > 0 && broker !== null) await ifAvailable(() => this.#readTasks(broker, ids, read));
    return read;
  }

  /** Nobody follows it any more. */
  forget(topic: string): void {
    this.#glances.delete(topic.slice(TASK_TOPIC.length));
  }

  async #readTasks(
    broker: Pick<Broker, "glance" | "record">,
    ids: readonly string[],
    read: Map<string, TopicFields>,
  ): Promise<void> {
    const glances = await broker.glance(ids.map((id) => ({ id, seen: this.#glances.get(id) ?? null })));
    for (const [index, glance] of glances.entries()) {
      const id = ids[index] ?? "";
      if (glance === "same") continue;
      const record = glance === null ? null : await broker.record(id);
      if (glance !== null) this.#glances.set(id, glance.seen);
      read.set(`${TASK_TOPIC}${id}`, record === null ? { state: null } : taskFields(record));
    }
  }

  #types(): TopicFields {
    const counts = new Map<string, number[]>();
    for (const { type, outcomes } of this.#source.metrics.counts.tasks.pairs()) {
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

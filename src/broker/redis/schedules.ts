/**
 * Cron schedules: a hash of definitions and one of states, by name. One script changes both and enqueues, where the state
 * is still the one that was read: once for the whole fleet.
 */
import { TASK_STATES, type TaskState } from "../../task/state.ts";
import { checkRequests } from "../check-requests.ts";
import { definitionText, readSchedule, stateText } from "../schedule-text.ts";
import type { ScheduleChange, ScheduleChanged, StoredSchedule } from "../schedules.ts";
import { execute, type RedisConnections } from "./connections.ts";
import { GROUP, RECORD_PREFIX, recordKey, SCHEDULE_STATES_KEY, SCHEDULE_TIMES_KEY, SCHEDULES_KEY } from "./keys.ts";
import { enqueueArguments } from "./queues.ts";
import { readPending } from "./replies.ts";
import { callScript } from "./scripts.ts";

export class RedisSchedules {
  readonly #connections: RedisConnections;
  readonly #priorities: number;

  constructor(connections: RedisConnections, priorities: number) {
    this.#connections = connections;
    this.#priorities = priorities;
  }

  async list(): Promise<StoredSchedule[]> {
    const [definitions, states, times] = await this.#connections.run(async (redis) =>
      Promise.all([
        redis.hgetall(SCHEDULES_KEY),
        redis.hgetall(SCHEDULE_STATES_KEY),
        // Only the first version has written any.
        redis.zrange(SCHEDULE_TIMES_KEY, "0", "-1", "WITHSCORES"),
      ]),
    );
    // Names are the users': one like "constructor" is no key of every object in a map.
    const stateByName = new Map(Object.entries(states));
    const next = new Map<string, number>();
    for (let i = 0; i + 1 < times.length; i += 2) next.set(String(times[i]), Number(times[i + 1]));
    return Object.entries(definitions)
      .map(([name, definition]) => readSchedule(definition, stateByName.get(name) ?? "", next.get(name) ?? null))
      .filter((schedule) => schedule !== null)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(name: string): Promise<StoredSchedule | null> {
    const [definition, state, time] = await this.#connections.run(async (redis) =>
      Promise.all([
        redis.hget(SCHEDULES_KEY, name),
        redis.hget(SCHEDULE_STATES_KEY, name),
        redis.zscore(SCHEDULE_TIMES_KEY, name),
      ]),
    );
    return definition === null ? null : readSchedule(definition, state ?? "", time === null ? null : Number(time));
  }

  /** @throws (rejects) RangeError for a task that no broker takes. */
  async change({ name, revision, definition, state, enqueue }: ScheduleChange): Promise<ScheduleChanged> {
    if (enqueue !== undefined) checkRequests([enqueue.request], this.#priorities);
    const reply = await this.#connections.run((redis) =>
      callScript(
        redis,
        "taskexeChangeSchedule",
        SCHEDULES_KEY,
        SCHEDULE_STATES_KEY,
        SCHEDULE_TIMES_KEY,
        RECORD_PREFIX,
        name,
        revision === null ? "none" : "one",
        revision ?? "",
        definition === undefined ? "" : definitionText(definition),
        stateText(state),
        enqueue === undefined ? "" : stateText(enqueue.otherwise),
        ...(enqueue === undefined ? [] : enqueueArguments(enqueue.request)),
      ),
    );
    const [changed, created, taskState, id] = Array.isArray(reply) ? reply : [];
    if (changed !== 1) return { changed: false };
    if (enqueue === undefined) return { changed: true, receipt: null };
    return {
      changed: true,
      receipt: { id: String(id), created: created === 1, state: stateOf(taskState) ?? "queued" },
    };
  }

  async remove(name: string): Promise<boolean> {
    const replies = await this.#connections.run((redis) =>
      redis.multi().hdel(SCHEDULES_KEY, name).hdel(SCHEDULE_STATES_KEY, name).zrem(SCHEDULE_TIMES_KEY, name).exec(),
    );
    return Number(replies?.[0]?.[1]) === 1;
  }

  async states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    if (ids.length === 0) return [];
    const records = await this.#connections.run(async (redis) => {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.hmget(recordKey(id), "state", "stream", "entry");
      return execute(pipeline);
    });
    const found = records.map(([, fields]) => (Array.isArray(fields) ? fields.map((each) => String(each ?? "")) : []));
    const running = await this.#running(found);
    return found.map(([state], index) => (running.has(index) ? "running" : stateOf(state)));
  }

  /** A record says queued until it has ended: it is running while its entry is pending. */
  async #running(found: readonly (readonly string[])[]): Promise<ReadonlySet<number>> {
    const queued = [...found.entries()].filter(([, [state, stream, entry]]) => state === "queued" && stream && entry);
    if (queued.length === 0) return new Set();
    const pending = await this.#connections.run(async (redis) => {
      const pipeline = redis.pipeline();
      for (const [, [, stream = "", entry = ""]] of queued) pipeline.xpending(stream, GROUP, entry, entry, 1);
      return execute(pipeline);
    });
    return new Set(queued.filter((_, at) => readPending(pending[at]?.[1]).length > 0).map(([index]) => index));
  }
}

function stateOf(name: unknown): TaskState | null {
  return TASK_STATES.find((state) => state === name) ?? null;
}

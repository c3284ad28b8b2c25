/**
 * Cron schedules: a hash of definitions and one of states, by name. One script changes both and enqueues, where the
 * state is still the one that was read: once for the whole fleet.
 */
import { TASK_STATES, type TaskState } from "../../../task/state.ts";
import { checkRequests } from "../../check-requests.ts";
import {
  lookAt,
  type ScheduleChange,
  type ScheduleChanged,
  type ScheduleList,
  type ScheduleListQuery,
  type StoredSchedule,
  TAKEN_MS,
  type TakenSchedules,
} from "../../contract/schedules.ts";
import { BYTES_AT_ONCE, everySchedule, type ScheduleSource, scheduleList } from "../../schedule-list.ts";
import { definitionText, readSchedule, stateText } from "../../schedule-text.ts";
import { execute, type RedisConnections } from "../connection/connections.ts";
import { readPending } from "../connection/replies.ts";
import {
  GROUP,
  SCHEDULE_STATES_KEY,
  SCHEDULE_TIMES_KEY,
  SCHEDULES_DUE_KEY,
  SCHEDULES_KEY,
  SCHEDULES_PUT_KEY,
  SCHEDULES_PUTS_KEY,
  streamKey,
} from "../keys.ts";
import { readHeads } from "../records/read-records.ts";
import { NO_TASK } from "../scripts/change-schedules.ts";
import { taskArguments } from "../scripts/enqueue-one.ts";
import { runScript } from "../scripts/lua.ts";
import { POSTPONE_SCHEDULE, TAKE_SCHEDULES } from "../scripts/schedules.ts";
import { ScheduleChanges } from "./changes.ts";

export class RedisSchedules {
  readonly #connections: RedisConnections;
  readonly #priorities: number;
  readonly #now: () => number;
  readonly #changes: ScheduleChanges;

  constructor(connections: RedisConnections, priorities: number, now: () => number) {
    this.#connections = connections;
    this.#priorities = priorities;
    this.#now = now;
    this.#changes = new ScheduleChanges(connections);
  }

  listed(query: ScheduleListQuery): Promise<ScheduleList> {
    return scheduleList(this.#source(), query);
  }

  /** Those that an earlier version has written are to be looked at from then on, too. @param duty - does each call. */
  async *every(duty: <T>(call: () => Promise<T>) => Promise<T>): AsyncGenerator<readonly StoredSchedule[]> {
    const { names, read } = this.#source();
    const source: ScheduleSource = {
      names: (after, limit) => duty(() => names(after, limit)),
      read: (some) => duty(() => read(some)),
    };
    for await (const schedules of everySchedule(source)) {
      const looks = schedules.flatMap((schedule) => {
        const at = lookAt(schedule, this.#now());
        return at === null ? [] : [String(at), schedule.name];
      });
      if (looks.length > 0) {
        await duty(() => this.#connections.run((redis) => redis.call("ZADD", SCHEDULES_DUE_KEY, "NX", ...looks)));
      }
      yield schedules;
    }
  }

  /** Names are many and short: all of them are asked for once, then how long some are, then what stands under these. */
  #source(): ScheduleSource {
    let left: string[] | null = null;
    return {
      names: async (after, limit) => {
        left ??= (await this.#connections.run((redis) => redis.hkeys(SCHEDULES_KEY))).sort();
        const from = left.findIndex((name) => name > after);
        left = from === -1 ? [] : left.slice(from);
        const names = left.slice(0, limit);
        if (names.length === 0) return [];
        const sizes = await this.#connections.run((redis) => {
          const pipeline = redis.pipeline();
          for (const name of names) pipeline.hstrlen(SCHEDULES_KEY, name);
          return execute(pipeline);
        });
        return names.map((name, index) => ({ name, bytes: Number(sizes[index]?.[1]) }));
      },
      read: (names) =>
        this.#connections.run(async (redis) => {
          const [definitions, states, times] = await Promise.all([
            redis.hmget(SCHEDULES_KEY, ...names),
            redis.hmget(SCHEDULE_STATES_KEY, ...names),
            redis.zmscore(SCHEDULE_TIMES_KEY, ...names),
          ]);
          const all = names.map((_, index) => read(definitions[index], states[index], times[index]));
          return all.filter((schedule) => schedule !== null);
        }),
    };
  }

  count(): Promise<number> {
    return this.#connections.run((redis) => redis.hlen(SCHEDULES_KEY));
  }

  async take(since: number | null, max: number): Promise<TakenSchedules> {
    const keys = [SCHEDULES_DUE_KEY, SCHEDULES_KEY, SCHEDULE_STATES_KEY, SCHEDULE_TIMES_KEY];
    const reply = await this.#connections.run((redis) =>
      runScript(
        redis,
        TAKE_SCHEDULES,
        ...[...keys, SCHEDULES_PUT_KEY, SCHEDULES_PUTS_KEY],
        ...[max, TAKEN_MS, since ?? "", BYTES_AT_ONCE],
      ),
    );
    const [takenUntil, nextInMs, seen, due, changed, more]: unknown[] = Array.isArray(reply) ? reply : [];
    return {
      due: readAll(due),
      changed: readAll(changed),
      seen: Number(seen),
      isMore: more === 1,
      takenUntil: Number(takenUntil),
      nextInMs: Number(nextInMs) < 0 ? null : Number(nextInMs),
    };
  }

  async postpone(name: string, takenUntil: number, at: number): Promise<void> {
    await this.#connections.run((redis) =>
      runScript(redis, POSTPONE_SCHEDULE, SCHEDULES_DUE_KEY, name, takenUntil, Math.round(at)),
    );
  }

  async get(name: string): Promise<StoredSchedule | null> {
    const [definition, state, time] = await this.#connections.run(async (redis) =>
      Promise.all([
        redis.hget(SCHEDULES_KEY, name),
        redis.hget(SCHEDULE_STATES_KEY, name),
        redis.zscore(SCHEDULE_TIMES_KEY, name),
      ]),
    );
    return read(definition, state, time);
  }

  /** @throws (rejects) RangeError for a task that no broker takes. */
  async change({ name, revision, definition, state, enqueue }: ScheduleChange): Promise<ScheduleChanged> {
    if (enqueue !== undefined) checkRequests([enqueue.request], this.#priorities);
    const [changed, created, taskState, id] = await this.#changes.change([
      ...[name, revision === null ? "none" : "one", revision ?? ""],
      ...[definition === undefined ? "" : definitionText(definition), stateText(state)],
      enqueue === undefined ? "" : stateText(enqueue.otherwise),
      lookAt(state, this.#now()) ?? "",
      enqueue === undefined ? "" : (lookAt(enqueue.otherwise, this.#now()) ?? ""),
      ...(enqueue === undefined ? NO_TASK : [1, ...taskArguments(enqueue.request)]),
    ]);
    if (changed !== 1) return { changed: false };
    if (enqueue === undefined) return { changed: true, receipt: null };
    return {
      changed: true,
      receipt: { id: String(id), created: created === 1, state: stateOf(taskState) ?? "queued" },
    };
  }

  async remove(name: string): Promise<boolean> {
    const replies = await this.#connections.run((redis) =>
      redis
        .multi()
        .hdel(SCHEDULES_KEY, name)
        .hdel(SCHEDULE_STATES_KEY, name)
        .zrem(SCHEDULE_TIMES_KEY, name)
        .zrem(SCHEDULES_DUE_KEY, name)
        .zrem(SCHEDULES_PUT_KEY, name)
        .exec(),
    );
    return Number(replies?.[0]?.[1]) === 1;
  }

  async states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    if (ids.length === 0) return [];
    const records = await readHeads(this.#connections, ids);
    const found = records.map((record) => {
      if (record === null) return [];
      const { state = "", queue = "", priority = "0", entry = "" } = record;
      return [state, streamKey(queue, Number(priority)), entry];
    });
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

function read(definition: unknown, state: unknown, time: unknown): StoredSchedule | null {
  if (typeof definition !== "string") return null;
  const nextAt = typeof time === "string" && time !== "" ? Number(time) : null;
  return readSchedule(definition, typeof state === "string" ? state : "", nextAt);
}

function readAll(reply: unknown): StoredSchedule[] {
  const all: unknown[] = Array.isArray(reply) ? reply : [];
  return all
    .map((one) => (Array.isArray(one) ? read(one[0], one[1], one[2]) : null))
    .filter((schedule) => schedule !== null);
}

function stateOf(name: unknown): TaskState | null {
  return TASK_STATES.find((state) => state === name) ?? null;
}

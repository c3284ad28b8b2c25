/** Cron schedules: a hash of definitions and a sorted set of the next times. One script fires, once for the fleet. */
import * as v from "valibot";
import type { Schedule, ScheduleDefinition } from "../administration.ts";
import type { EnqueueRequest } from "../broker.ts";
import type { RedisConnections } from "./connections.ts";
import { RECORD_PREFIX, SCHEDULE_TIMES_KEY, SCHEDULES_KEY } from "./keys.ts";
import { enqueueArguments } from "./queues.ts";
import { callScript } from "./scripts.ts";

const StoredSchema = v.object({
  name: v.string(),
  cron: v.string(),
  timezone: v.nullable(v.string()),
  type: v.string(),
  queue: v.string(),
  priority: v.number(),
  payload: v.string(),
  retentionMs: v.number(),
  lastAt: v.nullable(v.number()),
});

type Stored = v.InferOutput<typeof StoredSchema>;

export class RedisSchedules {
  readonly #connections: RedisConnections;

  constructor(connections: RedisConnections) {
    this.#connections = connections;
  }

  async put(schedule: ScheduleDefinition, nextAt: number | null): Promise<void> {
    const lastAt = (await this.#get(schedule.name))?.lastAt ?? null;
    await this.#connections.run((redis) => {
      const multi = redis.multi().hset(SCHEDULES_KEY, schedule.name, JSON.stringify({ ...schedule, lastAt }));
      if (nextAt === null) multi.zrem(SCHEDULE_TIMES_KEY, schedule.name);
      else multi.zadd(SCHEDULE_TIMES_KEY, Math.round(nextAt), schedule.name);
      return multi.exec();
    });
  }

  async remove(name: string): Promise<boolean> {
    const replies = await this.#connections.run((redis) =>
      redis.multi().hdel(SCHEDULES_KEY, name).zrem(SCHEDULE_TIMES_KEY, name).exec(),
    );
    return Number(replies?.[0]?.[1]) === 1;
  }

  async list(): Promise<Schedule[]> {
    const [stored, times] = await this.#connections.run(async (redis) =>
      Promise.all([redis.hvals(SCHEDULES_KEY), redis.zrange(SCHEDULE_TIMES_KEY, "0", "-1", "WITHSCORES")]),
    );
    const next = new Map<string, number>();
    for (let i = 0; i + 1 < times.length; i += 2) next.set(String(times[i]), Number(times[i + 1]));
    return stored
      .map(read)
      .filter((schedule) => schedule !== null)
      .map((schedule) => ({ ...schedule, nextAt: next.get(schedule.name) ?? null }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  async fire(name: string, dueAt: number, nextAt: number | null, request: EnqueueRequest): Promise<boolean> {
    const stored = await this.#get(name);
    if (stored === null) return false;
    const fired = await this.#connections.run((redis) =>
      callScript(
        redis,
        "taskexeFire",
        SCHEDULE_TIMES_KEY,
        SCHEDULES_KEY,
        RECORD_PREFIX,
        name,
        dueAt,
        nextAt === null ? "" : Math.round(nextAt),
        JSON.stringify({ ...stored, lastAt: dueAt }),
        ...enqueueArguments(request),
      ),
    );
    return fired === 1;
  }

  async #get(name: string): Promise<Stored | null> {
    const text = await this.#connections.run((redis) => redis.hget(SCHEDULES_KEY, name));
    return text === null ? null : read(text);
  }
}

function read(text: string): Stored | null {
  try {
    const checked = v.safeParse(StoredSchema, JSON.parse(text));
    return checked.success ? checked.output : null;
  } catch {
    return null;
  }
}

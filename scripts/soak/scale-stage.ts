/**
 * A broker with so many tasks in it: queued, scheduled, and ended with a record, put there through the broker itself.
 * On Redis also as many forgotten marks of cancelled tasks as there are records, for the clean-up to remove.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { Broker, Delivery, EnqueueRequest, Outcome } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { CANCELLED_KEY } from "../../src/broker/redis/keys.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { formatMessage } from "../../src/task/message/message.ts";
import { newId } from "../../src/task/message/new-task.ts";
import { startRedis } from "../../test/stage/redis/server.ts";

const HOUR_MS = 3_600_000;
const CHUNK = 250;
/** What holds Redis longer is written down by Redis itself, in microseconds. */
const SLOW_US = 10_000;

export interface Sizes {
  readonly queued: number;
  readonly scheduled: number;
  /** Ended tasks: eight in ten done, one dead, one cancelled. */
  readonly records: number;
}

/** One command that held Redis for long. */
export interface SlowCommand {
  readonly command: string;
  readonly ms: number;
}

export interface Stage {
  readonly sizes: Sizes;
  readonly broker: Broker;
  /** What held Redis longer than 10 ms since it was filled; nothing for SQLite. */
  slow(): Promise<SlowCommand[]>;
  end(): Promise<void>;
}

export interface RequestParts {
  readonly delayMs?: number;
  readonly retentionMs?: number;
}

export function requests(count: number, parts: RequestParts = {}): EnqueueRequest[] {
  return Array.from({ length: count }, () => {
    // As the client makes them: where an id falls in an index matters as much as how many there are.
    const id = newId();
    const { retentionMs = 0, delayMs = 0 } = parts;
    const message = formatMessage({ id, type: "scale", payload: null, options: { retention_ms: retentionMs } });
    return { id, type: "scale", queue: "common", priority: 0, message, retentionMs, delayMs };
  });
}

/** How a claimed task of `requests` ended. */
export function outcomeOf(delivery: Delivery, kind: "done" | "dead" | "cancelled", retentionMs: number): Outcome {
  const { id } = JSON.parse(delivery.raw ?? "{}");
  const base = {
    ...{ delivery, id: String(id), type: "scale", attempt: 1, crashes: 0, startedAt: null, retentionMs },
    ...{ recorded: retentionMs > 0, uniqueKey: null, told: null },
  };
  if (kind === "done") return { ...base, kind, result: null };
  if (kind === "dead") return { ...base, kind, reason: "for the scale", error: null };
  return { ...base, kind, reason: "for the scale" };
}

export async function openStage(
  kind: "redis" | "sqlite",
  sizes: Sizes,
  tell: (done: number) => void = () => {},
): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-scale-"));
  const redis = kind === "redis" ? await startRedis() : null;
  const url = redis?.url ?? `sqlite:${join(folder, "tasks.db")}`;
  const broker = await createBroker(url, {
    ...{ executor: "scale", queues: ["common"], leaseMs: HOUR_MS, deadLimit: Math.max(500, sizes.records / 20) },
    ...{ doneLimit: 0, cancelledLimit: 0 },
  });
  const direct = redis === null ? null : new Redis(redis.url);
  const end = async (): Promise<void> => {
    direct?.disconnect();
    await broker.close();
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const stage: Stage = { sizes, broker, slow: () => slowCommands(direct), end };
  try {
    await broker.open(openRoot().signal);
    await direct?.config("SET", "slowlog-log-slower-than", SLOW_US, "slowlog-max-len", 1_000);
    await fill(stage, tell);
    if (direct) await addOldMarks(direct, sizes.records);
    await direct?.slowlog("RESET");
    return stage;
  } catch (error) {
    await end();
    throw error;
  }
}

async function fill(stage: Stage, tell: (done: number) => void): Promise<void> {
  const { broker, sizes } = stage;
  let filled = 0;
  const told = (): void => {
    filled += CHUNK;
    tell(filled);
  };
  for (let left = sizes.records; left > 0; left -= CHUNK) {
    await broker.enqueue(requests(Math.min(CHUNK, left), { retentionMs: HOUR_MS }));
    const claimed = await broker.claim(CHUNK, openRoot().signal);
    await broker.complete(claimed.map((delivery, index) => outcomeOf(delivery, END_OF[index % 10] ?? "done", HOUR_MS)));
    told();
  }
  for (let left = sizes.scheduled; left > 0; left -= CHUNK) {
    await broker.enqueue(requests(Math.min(CHUNK, left), { delayMs: 24 * HOUR_MS, retentionMs: HOUR_MS }));
    told();
  }
  for (let left = sizes.queued; left > 0; left -= CHUNK) {
    await broker.enqueue(requests(Math.min(CHUNK, left)));
    told();
  }
}

const END_OF = ["dead", "cancelled"] as const;

/** Marks of tasks that were cancelled long ago, whose time is over. */
async function addOldMarks(redis: Redis, count: number): Promise<void> {
  for (let from = 0; from < count; from += CHUNK) {
    await redis.zadd(CANCELLED_KEY, ...Array.from({ length: CHUNK }, (_, n) => [1, `old-${from + n}`]).flat());
  }
}

async function slowCommands(redis: Redis | null): Promise<SlowCommand[]> {
  if (redis === null) return [];
  const entries: unknown = await redis.slowlog("GET", 1_000);
  if (!Array.isArray(entries)) throw new TypeError("SLOWLOG gave no list");
  return entries.flatMap((entry: unknown) => {
    if (!Array.isArray(entry)) return [];
    const words: unknown[] = Array.isArray(entry[3]) ? entry[3] : [];
    return [{ command: words.slice(0, 2).map(String).join(" ").slice(0, 100), ms: Number(entry[2]) / 1_000 }];
  });
}

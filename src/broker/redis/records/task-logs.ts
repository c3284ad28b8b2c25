/**
 * The logs of tasks: a list each, bounded, with a time to live as a safety net should its record go another way. How
 * many bytes the logs of a queue have is counted in the same call; whoever finds them beyond the bound removes the
 * oldest before it goes on, so that the bound holds however many processes write.
 */
import * as v from "valibot";
import {
  type LogLine,
  type LogTail,
  MAX_LOG_LINE_LENGTH,
  MAX_LOG_LINES,
  type TaskLines,
} from "../../contract/admin.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { logKey, logOrderKey, logSizesKey } from "../keys.ts";
import { APPEND_LOG, DROP_LOGS, LOG_TAIL, SWEEP_LOGS } from "../scripts/logs.ts";
import { runScript } from "../scripts/lua.ts";

/** A little longer than any record is kept by default, in s: 31 days. */
const LOG_TTL_S = 31 * 24 * 3600;

const LEAST_SWEPT = 10_000;

/** How much room is made at once, as a part of the bound: logs that went with their record are looked for each time. */
const ROOM = 0.1;

const LineSchema = v.object({
  at: v.number(),
  level: v.picklist(["debug", "info", "warn", "error"]),
  text: v.string(),
});

const SweptSchema = v.tuple([v.string(), v.number()]);
const DroppedSchema = v.tuple([v.number(), v.number()]);
const CountedSchema = v.tuple([v.number(), v.number()]);
const TailSchema = v.tuple([v.number(), v.array(v.string())]);

export class RedisLogs {
  readonly #connections: RedisConnections;
  readonly #most: number;
  /** How many logs a queue may count before those that are gone are looked for again: twice what was left. */
  readonly #sweptAt = new Map<string, number>();
  /** Of each queue in which room is being made. */
  readonly #making = new Map<string, Promise<void>>();

  /** @param most - how many bytes of logs a queue keeps; 0: any number. */
  constructor(connections: RedisConnections, most: number) {
    this.#connections = connections;
    this.#most = most;
  }

  async append(logs: readonly TaskLines[]): Promise<void> {
    const some = logs.filter(({ lines }) => lines.length > 0);
    if (some.length === 0) return;
    const full = new Set<string>();
    await this.#connections.run(async (redis) => {
      const written = await Promise.allSettled(
        some.map(async ({ id, queue, lines }) => {
          const texts = lines.slice(-MAX_LOG_LINES).map(({ at, level, text }) => {
            return JSON.stringify({ at, level, text: text.slice(0, MAX_LOG_LINE_LENGTH) });
          });
          const keys = [logKey(id), logSizesKey(queue), logOrderKey(queue)];
          const reply = await runScript(redis, APPEND_LOG, ...keys, id, MAX_LOG_LINES, LOG_TTL_S, ...texts);
          const [total, counted] = v.parse(CountedSchema, reply);
          const isFull = this.#most > 0 && total > this.#most;
          if (isFull || counted > (this.#sweptAt.get(queue) ?? LEAST_SWEPT)) full.add(queue);
        }),
      );
      const failed = written.find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
    });
    for (const queue of full) await this.#makeRoom(queue);
  }

  async all(id: string): Promise<LogLine[]> {
    return linesOf(await this.#connections.run((redis) => redis.lrange(logKey(id), 0, -1)));
  }

  async after(id: string, after: number): Promise<LogTail> {
    const reply = await this.#connections.run((redis) => runScript(redis, LOG_TAIL, logKey(id), after));
    const [last, texts] = v.parse(TailSchema, reply);
    return { last, lines: linesOf(texts) };
  }

  async #makeRoom(queue: string): Promise<void> {
    const under = this.#making.get(queue);
    if (under !== undefined) return under;
    const making = this.#drop(queue);
    this.#making.set(queue, making);
    try {
      await making;
    } finally {
      this.#making.delete(queue);
    }
  }

  /** First what is not there any more, then the oldest. Bounded steps, between which others are served. */
  async #drop(queue: string): Promise<void> {
    const keys = [logSizesKey(queue), logOrderKey(queue)];
    let [cursor, total] = ["0", 0];
    do {
      const from = cursor;
      const reply = await this.#connections.run((redis) => runScript(redis, SWEEP_LOGS, ...keys, from));
      [cursor, total] = v.parse(SweptSchema, reply);
    } while (cursor !== "0");
    const goal = Math.floor(this.#most * (1 - ROOM));
    const logs = await this.#connections.run((redis) => redis.zcard(logOrderKey(queue)));
    this.#sweptAt.set(queue, Math.max(LEAST_SWEPT, 2 * logs));
    let left = this.#most > 0 && total > this.#most ? 1 : 0;
    while (left > 0 && total > goal) {
      const reply = await this.#connections.run((redis) => runScript(redis, DROP_LOGS, ...keys, goal));
      [total, left] = v.parse(DroppedSchema, reply);
    }
  }
}

function linesOf(texts: readonly string[]): LogLine[] {
  return texts.flatMap((text) => {
    const checked = v.safeParse(LineSchema, JSON.parse(text));
    return checked.success ? [checked.output] : [];
  });
}

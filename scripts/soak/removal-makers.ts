/** Makes records of done tasks as completions leave them, faster than tasks could be run: for removal.ts. */
import type { Redis } from "ioredis";
import { doneKey, recordKey } from "../../src/broker/redis/keys.ts";
import {
  FIELD_LETTERS,
  PAYLOAD_LETTER,
  packedStart,
  packFacts,
  packField,
  packNumber,
} from "../../src/broker/redis/records/codec.ts";
import { STATE } from "../../src/broker/sqlite/file/schema.ts";
import { runtime } from "../../src/runtime/index.ts";
import { formatMessage } from "../../src/task/message/message.ts";

const { enqueued_at, started_at, finished_at, executor } = FIELD_LETTERS;

export interface Maker {
  /** So many, numbered from there; their time is over after the retention. */
  make(from: number, count: number): Promise<void>;
  /** How many are there. */
  there(): Promise<number>;
  close(): void;
}

export function redisMaker(redis: Redis, queue: string, retentionMs: number): Maker {
  const payload = packField(PAYLOAD_LETTER, "null");
  return {
    async make(from, count) {
      const pipeline = redis.pipeline();
      const [s, us] = await redis.time();
      const now = Math.round(Number(s) * 1000 + Number(us) / 1000);
      const until = now + retentionMs;
      const times = [enqueued_at, started_at, finished_at].map((letter) => packNumber(letter, now));
      const facts = packFacts({ retentionMs: null, priority: 0, queue, type: "noop" });
      const start = `${packedStart("done")}${times.join("")}${facts}${packField(executor, "maker")}`;
      for (let index = from; index < from + count; index += 1) {
        const id = `made-${index}`;
        pipeline.set(recordKey(id), start + payload);
        pipeline.zadd(doneKey(queue), until, id);
      }
      await pipeline.exec();
    },
    there: () => redis.zcard(doneKey(queue)),
    close() {},
  };
}

/** In a transaction of its own connection, as another process would. */
export function sqliteMaker(path: string, queue: string, retentionMs: number): Maker {
  const db = runtime.openDatabase(path);
  db.exec("PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL");
  const numbers = db.prepare("UPDATE ledger SET next = next + ? RETURNING next");
  const task = db.prepare(`INSERT INTO tasks(seq, state, queue, priority, place, token, lease_until, enqueued_at,
    finished_at, expires_at, retention_ms, id, type, message)
    VALUES(?1, ${STATE.done}, ?2, 0, ?1, 0, 0, ?3, ?3, ?4, ?5, ?6, 'noop', ?7)`);
  const name = db.prepare("INSERT INTO ids(id, seq) VALUES(?, ?)");
  const counted = db.prepare(`INSERT INTO counts(queue, state, n) VALUES(?, ${STATE.done}, ?)
    ON CONFLICT(queue, state) DO UPDATE SET n = n + excluded.n`);
  const sum = db.prepare(`SELECT n FROM counts WHERE queue = ? AND state = ${STATE.done}`);
  return {
    async make(from, count) {
      db.exec("BEGIN IMMEDIATE");
      const first = Number(numbers.get(count)?.next) - count;
      const now = Date.now();
      for (let index = 0; index < count; index += 1) {
        const id = `made-${from + index}`;
        const message = formatMessage({ id, type: "noop", payload: null, options: {} });
        task.run(first + index, queue, now, now + retentionMs, retentionMs, id, message);
        name.run(id, first + index);
      }
      counted.run(queue, count);
      db.exec("COMMIT");
    },
    there: async () => Number(sum.get(queue)?.n ?? 0),
    close: () => db.close(),
  };
}

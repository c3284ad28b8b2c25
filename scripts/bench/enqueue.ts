/** How fast producers are: ours by the library and by the command line, beside BullMQ's addBulk. */
import { Redis } from "ioredis";
import { bullmqAddBulk, type EnqueueSide, ourBatches, ourJsonLines, type Place } from "./enqueue-sides.ts";
import { median } from "./figures.ts";
import { sqliteUrl } from "./pick-up-sides.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import type { Outcome, Row } from "./results.ts";
import { type Context, interleaved } from "./rounds.ts";
import { SCRIPT_RUNTIMES } from "./scripts.ts";
import { removeFolders, tempFolder } from "./temp-folders.ts";

const BENCH = "enqueue";

const NOTES = [
  "enqueue: a producer process of its own, one batch after the other, nobody consuming; that all tasks are there is " +
    "checked after the clock. Library and addBulk: without starting the process, no record kept (retention 0).",
  "taskexe enqueue --jsonl: the whole command from start to exit, with the records that the default retention keeps.",
];

export async function enqueue(context: Context): Promise<Outcome> {
  const server = await startRedis(context.redisDurability);
  const redis = onRedis(server);
  const count = context.quick ? 20_000 : 100_000;
  const sides: EnqueueSide[] = [
    ourBatches(redis),
    ourJsonLines(redis),
    ourBatches(ON_SQLITE),
    ourJsonLines(ON_SQLITE),
    ...SCRIPT_RUNTIMES.map((on) => bullmqAddBulk(server, on)),
  ];
  try {
    const samples = await interleaved(sides, context.rounds, async (side, round) => {
      const folder = tempFolder();
      const seconds = await side.enqueue(count, folder);
      removeFolders([folder]);
      const rate = Math.round(count / seconds).toLocaleString("en");
      context.progress(`${BENCH}: round ${round + 1}, ${side.name}: ${rate} tasks/s`);
      return count / seconds;
    });
    const rows = [...samples].map(([side, rounds]): Row => {
      const { name, setting, durability } = side;
      const more = { tasks: count };
      return { bench: BENCH, side: name, setting, durability, value: median(rounds), unit: "tasks/s", rounds, more };
    });
    return { rows, checks: [], notes: NOTES };
  } finally {
    await server.stop();
  }
}

function onRedis(server: RedisServer): Place {
  return {
    name: "Redis",
    durability: server.durability,
    url: () => server.url(1),
    async empty() {
      const redis = new Redis({ port: server.port });
      await redis.flushall();
      redis.disconnect();
    },
  };
}

/** Each run has a new folder, so there is nothing to empty. */
const ON_SQLITE: Place = {
  name: "SQLite",
  durability: "survives a power cut (synchronous FULL)",
  url: sqliteUrl,
  empty: async () => {},
};

/**
 * Who empties a full queue on Redis faster: ours, BullMQ on both runtimes, and Redis itself as the limit.
 * All share one redis-server and its durability; no side runs while another is measured.
 */

import { consumeRows } from "./consume.ts";
import { WARM_UP } from "./drain.ts";
import { ourRedisSide } from "./ours/redis-side.ts";
import { startRedis } from "./redis-server.ts";
import type { Check, Outcome, Row } from "./results.ts";
import { bullmqSide, timesBullmq } from "./rivals/bullmq.ts";
import { redisLimitSide } from "./rivals/redis-itself.ts";
import type { Context } from "./rounds.ts";
import { SCRIPT_RUNTIMES } from "./scripts.ts";
import type { WatchedSide } from "./sides.ts";
import { watched } from "./watched.ts";

const BENCH = "consume-redis";
const CONCURRENCIES = [1, 10, 100];

const NOTES = [
  "consume-redis: no-op tasks in a full queue, seen by polling the queue every 10 ms from outside. The clock starts " +
    `when the first ${WARM_UP * 100} % of the tasks are done, for every side, and stops at the last completion: a ` +
    "fleet works warm. " +
    "from_start is the rate over all of them, from the first claim on; starting the process is left out of both.",
  "BullMQ: one Worker, removeOnComplete, all else at its defaults; the ratio is to the faster of its two runtimes.",
  "Redis itself: XREADGROUP COUNT 512 + XACK + XDEL of the same entries as prepared bytes; it has no concurrency.",
];

export async function consumeRedis(context: Context): Promise<Outcome> {
  const server = await startRedis(context.redisDurability);
  const seen = (side: WatchedSide) => watched(side, { redis: server.pid });
  const limit = seen(redisLimitSide(server));
  const ours = seen(ourRedisSide(server, "removed"));
  const sides = [ours, ...SCRIPT_RUNTIMES.map((on) => seen(bullmqSide(server, on, "removed")))];
  try {
    const cases = CONCURRENCIES.flatMap((concurrency) => sides.map((side) => ({ side, concurrency })));
    const limitCase = { side: limit, concurrency: 512, setting: "COUNT 512" };
    const rows = await consumeRows(BENCH, context, [...cases, limitCase]);
    return { rows, checks: checks(rows, ours.name, limit.name), notes: NOTES };
  } finally {
    for (const side of [limit, ...sides]) await side.close();
    await server.stop();
  }
}

function checks(rows: readonly Row[], ours: string, limit: string): Check[] {
  const at100 = rows.filter(({ setting }) => setting === "concurrency 100");
  const us = at100.find(({ side }) => side === ours)?.value ?? Number.NaN;
  const itself = rows.find(({ side }) => side === limit)?.value ?? Number.NaN;
  return [
    {
      bench: BENCH,
      what: "concurrency 100, ours / BullMQ's better runtime",
      value: timesBullmq(at100, ours),
      unit: "x",
      relation: ">=",
      target: 6,
      aim: 10,
    },
    {
      bench: BENCH,
      what: "concurrency 100, ours / Redis itself",
      value: (us / itself) * 100,
      unit: "%",
      relation: ">=",
      target: 40,
      aim: 60,
    },
  ];
}

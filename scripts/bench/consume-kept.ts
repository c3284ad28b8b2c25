/**
 * Who empties a full queue on Redis faster when done tasks leave their record, as both do when nobody says otherwise:
 * ours and BullMQ on both runtimes. The server is set up as for consume-redis, where nothing stays.
 */

import { type Case, consumeRows } from "./consume.ts";
import { ourRedisSide } from "./ours/redis-side.ts";
import { startRedis } from "./redis-server.ts";
import type { Check, Outcome } from "./results.ts";
import { bullmqSide, timesBullmq } from "./rivals/bullmq.ts";
import type { Context } from "./rounds.ts";
import { SCRIPT_RUNTIMES } from "./scripts.ts";
import type { WatchedSide } from "./sides.ts";
import { watched } from "./watched.ts";

const BENCH = "consume-kept";
const CONCURRENCY = 100;

const NOTES = [
  "consume-kept: as consume-redis, but each done task stays readable. taskexe: retention left at its " +
    "default, 1 day: a " +
    "packed record and its place in the index of done tasks. BullMQ: removeOnComplete left at its default, " +
    "false: the job " +
    "hash and its place in bull:noop:completed. The enqueue, which writes the first part of both, is not counted.",
  "That all of them stayed is checked in Redis after the clock: the records that say done and their index; " +
    "the size of " +
    "bull:noop:completed. Each side gets a queue that takes it seconds, so the faster one keeps more by the end.",
];

export async function consumeKept(context: Context): Promise<Outcome> {
  const server = await startRedis(context.redisDurability);
  const measured = (side: WatchedSide, kept: string): Case => ({
    side: watched(side, { redis: server.pid }),
    concurrency: CONCURRENCY,
    setting: `concurrency ${CONCURRENCY}, ${kept}`,
  });
  const ours = measured(ourRedisSide(server, "kept"), "retention 1 day");
  const rivals = SCRIPT_RUNTIMES.map((on) => measured(bullmqSide(server, on, "kept"), "removeOnComplete false"));
  const cases = [ours, ...rivals];
  try {
    const rows = await consumeRows(BENCH, context, cases);
    return { rows, checks: [check(timesBullmq(rows, ours.side.name))], notes: NOTES };
  } finally {
    for (const { side } of cases) await side.close();
    await server.stop();
  }
}

function check(value: number): Check {
  const what = `concurrency ${CONCURRENCY}, records kept, ours / BullMQ's better runtime`;
  return { bench: BENCH, what, value, unit: "x", relation: ">=", target: 4, aim: 6 };
}

/** Measures a side from outside: fills its queue, starts its consumer, times the drain, checks that all was done. */
import { timeDrain } from "./drain.ts";
import type { ConsumeSide, WatchedSide } from "./sides.ts";

const LIMIT_MS = 180_000;

/** `others` are processes whose CPU time is told beside the consumer's, by name. */
export function watched(side: WatchedSide, others: Readonly<Record<string, number>> = {}): ConsumeSide {
  return {
    name: side.name,
    durability: side.durability,
    async measure(concurrency, quick) {
      const tasks = side.tasks(concurrency, quick);
      await side.fill(tasks);
      const consumer = await side.consume(concurrency, tasks);
      try {
        const drained = await timeDrain(() => side.look(tasks), tasks, consumer, others, LIMIT_MS);
        await side.verify(tasks);
        return drained;
      } finally {
        await consumer.stop();
      }
    },
    close: () => side.close(),
  };
}

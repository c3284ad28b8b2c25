/** A producer whose enqueues are counted, by queue. */
import type { Broker } from "../broker/broker.ts";

/** The part of a broker that enqueues. */
export type Producer = Pick<Broker, "now" | "enqueue">;

/** @param created - told how many of an enqueue were created in a queue. */
export function countedProducer(producer: Producer, created: (queue: string, count: number) => void): Producer {
  return {
    now: () => producer.now(),
    async enqueue(requests) {
      const receipts = await producer.enqueue(requests);
      const counts = new Map<string, number>();
      for (const [index, receipt] of receipts.entries()) {
        const queue = requests[index]?.queue;
        if (receipt.created && queue !== undefined) counts.set(queue, (counts.get(queue) ?? 0) + 1);
      }
      for (const [queue, count] of counts) created(queue, count);
      return receipts;
    },
  };
}

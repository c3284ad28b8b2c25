/** The producer's side of ours, in the measuring process: enqueue and look, through the same contract users have. */
import { randomUUID } from "node:crypto";
import { type Broker, type EnqueueRequest, MAX_ENQUEUE_BATCH } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/open-broker.ts";
import { formatMessage } from "../../../src/task/message.ts";

export const QUEUE = "common";

/** Opens a client; the caller closes it. */
export async function openClient(url: string): Promise<Broker> {
  const broker = await createBroker(url, { executor: null, queues: [QUEUE], leaseMs: 30_000 });
  await broker.open(AbortSignal.timeout(10_000));
  return broker;
}

/** A task that keeps no record, as a no-op has nothing to tell. */
export function request(type: string, id: string = randomUUID()): EnqueueRequest {
  const message = formatMessage({ id, type, payload: null, options: { retention_ms: 0 } });
  return { id, type, queue: QUEUE, priority: 0, message, retentionMs: 0 };
}

/** Enqueues so many no-op tasks, one batch after the other; the time that took, in seconds. */
export async function fill(broker: Broker, count: number): Promise<number> {
  const began = performance.now();
  for (let done = 0; done < count; done += MAX_ENQUEUE_BATCH) {
    const batch = Array.from({ length: Math.min(MAX_ENQUEUE_BATCH, count - done) }, () => request("noop"));
    await broker.enqueue(batch);
  }
  return (performance.now() - began) / 1000;
}

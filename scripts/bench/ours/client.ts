/** The producer's side of ours, in the measuring process: enqueue and look, through the same contract users have. */
import { type Broker, type EnqueueRequest, MAX_ENQUEUE_BATCH } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { DEFAULT_RETENTION_MS } from "../../../src/executor/options.ts";
import { formatMessage } from "../../../src/task/message/message.ts";
import { newId } from "../../../src/task/message/new-task.ts";
import { JsonText } from "../../../src/task/text/json-text.ts";
import type { DoneTasks } from "../sides.ts";

export const QUEUE = "common";

/** What the message says and what the broker is told; by default the message says nothing, and the executor knows. */
const RETENTION = {
  removed: { said: { retention_ms: 0 }, retentionMs: 0 },
  kept: { said: {}, retentionMs: DEFAULT_RETENTION_MS },
} as const;

/** Opens a client; the caller closes it. */
export async function openClient(url: string): Promise<Broker> {
  const broker = await createBroker(url, { executor: null, queues: [QUEUE], leaseMs: 30_000 });
  await broker.open(AbortSignal.timeout(10_000));
  return broker;
}

/** A task; unless told otherwise it keeps no record, as a no-op has nothing to tell. */
export function request(type: string, done: DoneTasks = "removed"): EnqueueRequest {
  const id = newId();
  const { said, retentionMs } = RETENTION[done];
  const message = formatMessage({ id, type, payload: null, options: said });
  return { id, type, queue: QUEUE, priority: 0, message, retentionMs };
}

/** Enqueues so many no-op tasks, one batch after the other; the time that took, in seconds. */
export async function fill(broker: Broker, count: number, done: DoneTasks = "removed", type = "noop"): Promise<number> {
  const began = performance.now();
  for (let sent = 0; sent < count; sent += MAX_ENQUEUE_BATCH) {
    const batch = Array.from({ length: Math.min(MAX_ENQUEUE_BATCH, count - sent) }, () => request(type, done));
    await broker.enqueue(batch);
  }
  return (performance.now() - began) / 1000;
}

/** As `fill`, with a payload, given as JSON, and the record kept. */
export async function fillWith(broker: Broker, count: number, payload: string): Promise<void> {
  for (let sent = 0; sent < count; sent += MAX_ENQUEUE_BATCH) {
    const batch = Array.from({ length: Math.min(MAX_ENQUEUE_BATCH, count - sent) }, () => {
      const plain = request("noop", "kept");
      return { ...plain, message: formatMessage({ id: plain.id, type: plain.type, payload: new JsonText(payload) }) };
    });
    await broker.enqueue(batch);
  }
}

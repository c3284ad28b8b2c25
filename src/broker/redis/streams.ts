/** The streams of some queues: one a queue and priority. */
import { streamKey } from "./keys.ts";

export interface StreamName {
  readonly key: string;
  readonly queue: string;
  readonly priority: number;
}

/** The streams of some queues, urgent first; queues in the given order within a priority. */
export function streamsOf(queues: readonly string[], priorities: number): StreamName[] {
  const streams: StreamName[] = [];
  for (let priority = priorities - 1; priority >= 0; priority--) {
    for (const queue of queues) streams.push({ key: streamKey(queue, priority), queue, priority });
  }
  return streams;
}

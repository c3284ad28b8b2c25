/** Tasks that come back by themselves, from a holder that is gone, do not run in a queue that is paused. */
import type { Delivery } from "../../broker.ts";
import type { RedisPauses } from "../pauses.ts";
import type { RedisHandBack } from "./hand-back.ts";

/** What came back by itself to a queue that is paused waits there. */
export async function withoutPaused(
  { pauses, handBack }: { readonly pauses: RedisPauses; readonly handBack: RedisHandBack },
  deliveries: readonly Delivery[],
): Promise<Delivery[]> {
  try {
    // Asked now: an executor that has just started has not claimed yet, and knows of no pause.
    if (deliveries.length > 0) await pauses.refresh();
  } catch (error) {
    // Left pending, each further look at them would count as one more death over them.
    await handBack.release(deliveries);
    throw error;
  }
  const [paused, free] = [true, false].map((which) =>
    deliveries.filter(({ queue }) => pauses.isQueuePaused(queue) === which),
  );
  if (paused && paused.length > 0) await handBack.release(paused);
  return free ?? [];
}

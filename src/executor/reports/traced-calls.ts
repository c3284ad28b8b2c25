/**
 * Spans of claims and completions, where somebody asked for them: one for each queue in a call, with links to whoever
 * has sent its tasks.
 */
import type { Broker, Delivery } from "../../broker/broker.ts";
import { parseMessage } from "../../task/message/message.ts";
import type { TraceContext } from "../../task/trace/trace-context.ts";
import type { TracedCall, Tracing } from "../../tracing/spans.ts";

/** From now on the claims and completions of this broker are told. */
export function traceCalls(broker: Broker, told: Tracing): void {
  const claim = broker.claim.bind(broker);
  const complete = broker.complete.bind(broker);
  broker.claim = async (...asked) => {
    const startedAt = Date.now();
    const deliveries = await claim(...asked);
    tell(told, "receive", deliveries, startedAt);
    return deliveries;
  };
  broker.complete = async (outcomes) => {
    const startedAt = Date.now();
    const results = await complete(outcomes);
    tell(
      told,
      "settle",
      outcomes.map(({ delivery }) => delivery),
      startedAt,
    );
    return results;
  };
}

function tell(
  told: Tracing,
  operation: TracedCall["operation"],
  deliveries: readonly Delivery[],
  startedAt: number,
): void {
  const queues = Map.groupBy(deliveries, ({ queue }) => queue);
  for (const [queue, ofQueue] of queues) {
    told.called({ operation, queue, creators: ofQueue.map(creatorOf), startedAt });
  }
}

function creatorOf({ raw }: Delivery): TraceContext | null {
  const read = raw === null ? null : parseMessage(raw);
  return read?.ok === true ? read.message.trace : null;
}

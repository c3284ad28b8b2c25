/**
 * Lets somebody see how long the calls of a broker take, and which fail since it is away or refuses. Nothing waits for
 * it: a caller gets the answer of the broker itself.
 */
import { type Broker, BrokerUnavailableError } from "../broker/broker.ts";

/** The calls that are seen, and how they are named. */
const OPERATIONS = {
  enqueue: "enqueue",
  claim: "claim",
  renew: "renew",
  complete: "complete",
  release: "release",
  reclaim: "reclaim",
  promote: "promote",
  cancel: "cancel",
  cancelled: "cancelled",
  record: "record",
  list: "list",
  counts: "counts",
  writeProgress: "write_progress",
  appendLogs: "append_logs",
  beat: "beat",
  removeEnded: "remove_ended",
  takeSchedules: "take_schedules",
} as const satisfies Partial<Record<keyof Broker, string>>;

export type Operation = (typeof OPERATIONS)[keyof typeof OPERATIONS];

/** All that are seen. */
export const OPERATION_NAMES: readonly Operation[] = Object.values(OPERATIONS);

/** @param failed - the broker was away, or refused. What failed otherwise, or was cancelled, is not told. */
export type CallObserver = (operation: Operation, ms: number, failed: boolean) => void;

/** From now on the observer is told of each call of this broker, once it has ended. */
export function observeCalls(broker: Broker, observer: CallObserver): void {
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const call: unknown = Reflect.get(broker, name);
    if (typeof call !== "function") continue;
    Object.defineProperty(broker, name, {
      configurable: true,
      writable: true,
      value: (...given: unknown[]): unknown => {
        const begunAt = performance.now();
        const answer: unknown = Reflect.apply(call, broker, given);
        if (answer instanceof Promise) {
          answer.then(
            () => observer(operation, performance.now() - begunAt, false),
            (error: unknown) => {
              if (error instanceof BrokerUnavailableError) observer(operation, performance.now() - begunAt, true);
            },
          );
        }
        return answer;
      },
    });
  }
}

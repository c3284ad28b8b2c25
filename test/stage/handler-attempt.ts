/** An attempt as a handler is given it, for tests of handlers alone. */
import type { HandlerAttempt } from "../../src/handlers/handler.ts";

export function handlerAttempt(given: Partial<HandlerAttempt> = {}): HandlerAttempt {
  const { id = "one", type = "x", payload = null } = given;
  return {
    id,
    type,
    task: { id, type, queue: "common", priority: 0, queuedAt: null, message: {} },
    payload,
    payloadText: JSON.stringify(payload),
    isForeign: false,
    deadlineInMs: null,
    cancelReason: "cancelled",
    waits() {},
    begun() {},
    attempt: 1,
    crashes: 0,
    suspect: null,
    tellEndedBy() {},
    tellDelay() {},
    graceMs: 20,
    asksForDelay: true,
    tellProgress() {},
    writeLog() {},
    leaveBehind() {},
    enqueue: () => Promise.reject(new Error("nothing is enqueued here")),
    takeLock: () => Promise.reject(new Error("nothing is locked here")),
    freeLock: () => Promise.resolve(),
    ...given,
  };
}

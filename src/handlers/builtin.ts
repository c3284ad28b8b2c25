/**
 * The handlers that every executor has: noop, echo, sleep and fail. They let a queue be tried, measured and debugged
 * before any handler is written. A user's handler of the same type takes their place.
 */
import * as v from "valibot";
import { sleep } from "../concurrency/index.ts";
import { defineTask } from "./define-task.ts";
import { HandlerRegistry } from "./registry.ts";

/** Does nothing: the cost of a task itself. */
export const noopTask = defineTask({ type: "noop", run: () => undefined });

/** Gives its payload back as the result. */
export const echoTask = defineTask({ type: "echo", run: ({ payload }) => payload });

/** Waits `ms` milliseconds; a cancel ends the wait at once. */
export const sleepTask = defineTask({
  type: "sleep",
  payload: v.object({ ms: v.pipe(v.number(), v.finite(), v.minValue(0)) }),
  run: ({ payload, signal }) => sleep(payload.ms, signal),
});

/** Fails with `message`, on every attempt. */
export const failTask = defineTask({
  type: "fail",
  payload: v.nullish(v.object({ message: v.optional(v.string(), "failed on request") }), {}),
  run: ({ payload }) => {
    throw new Error(payload.message);
  },
});

/** A registry that holds the built-in handlers and nothing else. */
export function builtinRegistry(): HandlerRegistry {
  const registry = new HandlerRegistry();
  for (const definition of [noopTask, echoTask, sleepTask, failTask]) registry.addBuiltin(definition);
  return registry;
}

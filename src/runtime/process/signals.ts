/**
 * Signals, uncaught exceptions and unhandled rejections, the same on all three runtimes through `process`.
 * Each subscription is undone by the function it returned; the last one undone gives the signal its default back.
 */

import type { SignalName } from "../runtime.ts";

/**
 * Calls `handler` each time `signal` comes. A handler is also what keeps SIGUSR1 from killing Bun and Deno and from
 * opening Node's inspector. A busy loop delays the call until it ends.
 */
export function onSignal(signal: SignalName, handler: () => void): () => void {
  // A listener of its own for each call, so that the same handler can be registered twice and undone once.
  const listener = () => handler();
  process.on(signal, listener);
  return () => {
    process.off(signal, listener);
  };
}

/**
 * Calls `handler` with each uncaught exception and each unhandled rejection; without one the process would end.
 * Both events are needed: with a handler for exceptions alone, Bun does not report rejections.
 */
export function onFatal(handler: (error: unknown) => void): () => void {
  const listener = (error: unknown) => handler(error);
  process.on("uncaughtException", listener);
  process.on("unhandledRejection", listener);
  return () => {
    process.off("uncaughtException", listener);
    process.off("unhandledRejection", listener);
  };
}

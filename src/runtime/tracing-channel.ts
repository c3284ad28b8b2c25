/**
 * Bun 1.4 lacks `hasSubscribers` on tracing channels (Node 20.13+, Deno have it). Libraries that ask it before they
 * trace, ioredis for one, then trace every command for nobody: a third of what a command costs. So it is added.
 */
import type { TracingChannel } from "node:diagnostics_channel";

const PARTS = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;

/** Adds `hasSubscribers` where it is missing; elsewhere it does nothing. */
export function mendTracingChannel(): void {
  const { tracingChannel } = process.getBuiltinModule("node:diagnostics_channel");
  const prototype: object = Object.getPrototypeOf(tracingChannel("taskexe:probe"));
  if ("hasSubscribers" in prototype) return;
  Object.defineProperty(prototype, "hasSubscribers", {
    configurable: true,
    get(this: TracingChannel): boolean {
      return PARTS.some((part) => this[part].hasSubscribers);
    },
  });
}

/** Spans of a process of the command line: asked for before all else, and sent before it ends. */
import type { Broker } from "../broker/broker.ts";
import { traceCalls } from "../executor/reports/traced-calls.ts";
import { SECRET_VARIABLES } from "../tracing/environment.ts";
import { startTracing, tracing } from "../tracing/tracing.ts";

/** So long the collector is waited for at the end, in ms: of an executor, and of a command that somebody waits for. */
const LAST_SPANS_MS = { executor: 3_000, command: 1_000 } as const;

/** What handlers, and what they start, are not to find in their environment is taken out of it. */
export async function startTracesOfExecutor(name: string): Promise<void> {
  await startTracing(process.env, name);
  for (const variable of Object.keys(process.env)) if (SECRET_VARIABLES.test(variable)) delete process.env[variable];
}

/** Where they are asked for, the calls of this broker are told, too. */
export function traceBroker(broker: Broker, isAsked: boolean): Broker {
  const told = tracing();
  if (isAsked && told !== null) traceCalls(broker, told);
  return broker;
}

export async function sendLastSpans(of: keyof typeof LAST_SPANS_MS): Promise<void> {
  await tracing()?.flush(LAST_SPANS_MS[of]);
}

/**
 * Spans, told to whoever collects them over OTLP: how a task was sent, and how each attempt of it went. The one door to
 * OpenTelemetry: its packages are loaded where OTEL_EXPORTER_OTLP_ENDPOINT is set, and nowhere else. What goes wrong
 * here is logged and counted, and concerns no task.
 */
import { hostname } from "node:os";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../concurrency/unknown-values.ts";
import { isAsked } from "./environment.ts";
import type { Tracing } from "./spans.ts";

const logger = getLogger(["taskexe", "traces"]);

let current: Tracing | null = null;
let starting: Promise<void> | null = null;

/** Null: nobody asked for spans. */
export function tracing(): Tracing | null {
  return current;
}

/**
 * Loads OpenTelemetry where the environment asks for it, once in a process. What the environment says wrongly, or a
 * package that is missing, means that there are no spans, and the log says why.
 *
 * @param clientId - who sends or runs: the name of an executor; default: this process.
 */
export async function startTracing(
  environment: NodeJS.ProcessEnv,
  clientId = `${hostname()}-${process.pid}`,
): Promise<Tracing | null> {
  if (!isAsked(environment)) return current;
  starting ??= load(environment, clientId);
  await starting;
  return current;
}

async function load(environment: NodeJS.ProcessEnv, clientId: string): Promise<void> {
  try {
    const { openTelemetry } = await import("./open-telemetry.ts");
    current = await openTelemetry(environment, clientId);
  } catch (error) {
    logger.warn("There are no traces: {reason}", { reason: messageOf(error) });
  }
}

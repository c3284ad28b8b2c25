/**
 * The trace of the code that runs just now, where that code's own OpenTelemetry API is loaded. Every copy of that API
 * keeps its parts under one symbol of the process, so nothing of it is imported here; where there is none, nothing
 * happens. What it throws concerns no task.
 */
import { isObject, read } from "../../concurrency/unknown-values.ts";
import { readTrace, type TraceContext } from "./trace-context.ts";

/** Under which version 1 of the API keeps what was registered. */
const API = Symbol.for("opentelemetry.js.api.1");

/** The parts of the API that are called. */
interface Api {
  readonly context: { active(): unknown; with<T>(context: unknown, run: () => T): T };
  readonly propagation: {
    inject(context: unknown, carrier: object, setter: object): void;
    extract(context: unknown, carrier: object, getter: object): unknown;
  };
}

const SETTER = {
  set(carrier: Record<string, unknown>, key: string, value: unknown): void {
    carrier[key] = value;
  },
};
const GETTER = {
  get: (carrier: Readonly<Record<string, unknown>>, key: string): unknown => carrier[key],
  keys: (carrier: object): string[] => Object.keys(carrier),
};

/** The trace that the caller is in; null: it is in none, or nobody can tell. */
export function activeTrace(): TraceContext | null {
  const api = apiOf();
  if (api === null) return null;
  try {
    const carrier: Record<string, unknown> = {};
    api.propagation.inject(api.context.active(), carrier, SETTER);
    return readTrace(carrier.traceparent, carrier.tracestate);
  } catch {
    return null;
  }
}

/** Calls `run` within that trace: spans that it starts are children of it. */
export function inTrace<T>(trace: TraceContext, run: () => T): T {
  const api = apiOf();
  if (api === null) return run();
  let context: unknown;
  try {
    context = api.propagation.extract(api.context.active(), trace, GETTER);
  } catch {
    return run();
  }
  return api.context.with(context, run);
}

/** Null: nobody has registered the two parts that are needed. */
function apiOf(): Api | null {
  const api: unknown = Reflect.get(globalThis, API);
  if (!isObject(api) || !isObject(read(api, "context")) || !isObject(read(api, "propagation"))) return null;
  // Its version is in the symbol.
  return api as unknown as Api;
}

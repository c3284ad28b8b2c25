/**
 * Spans by the packages of OpenTelemetry, with the names of its semantic conventions for messaging. Nothing is
 * registered for the process: what handlers or programs trace themselves is theirs.
 */

import { getLogger } from "@logtape/logtape";
import {
  type Context,
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace as traces,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { abortable, moveOnAfter, openRoot } from "../concurrency/index.ts";
import { readText } from "../concurrency/unknown-values.ts";
import type { Sending } from "../task/trace/sending.ts";
import type { TraceContext } from "../task/trace/trace-context.ts";
import { VERSION } from "../version.ts";
import { headersIn, resourceIn, samplerIn, shownEndpoint } from "./environment.ts";
import { samplerOf } from "./sampler.ts";
import { SpanOutlet } from "./span-outlet.ts";
import type { AttemptSpan, AttemptsAs, SpanCounts, TracedAttempt, TracedCall, TracedTask, Tracing } from "./spans.ts";

const logger = getLogger(["taskexe", "traces"]);

/** Executors share their queues as the members of one group, whose name the wire contract has. */
const CONSUMER_GROUP = "rag_flow_svr_task_broker";
/** A link for each task of a call; more are not told. */
const MOST_LINKS = 128;
/** How long the collector may take to answer where OTEL_EXPORTER_OTLP_TIMEOUT does not say, in ms. */
const ANSWER_MS = 5_000;

/** @throws (rejects) Error where the environment is wrong. */
export async function openTelemetry(environment: NodeJS.ProcessEnv, clientId: string): Promise<Tracing> {
  const endpoint = shownEndpoint(environment);
  const choice = samplerIn(environment, (problem) => logger.warn("{problem}", { problem }));
  const { OTEL_EXPORTER_OTLP_TIMEOUT: all, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: timeout = all } = environment;
  const exporter = new OTLPTraceExporter({
    headers: headersIn(environment),
    ...(timeout ? {} : { timeoutMillis: ANSWER_MS }),
  });
  const outlet = new SpanOutlet(exporter, BatchSpanProcessor, (reason) => {
    if (reason === null) logger.info("The collector at {endpoint} takes spans again", { endpoint });
    else logger.warn("Spans are dropped and counted: {endpoint}: {reason}", { endpoint, reason });
  });
  const provider = new BasicTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(resourceIn(environment, clientId))),
    sampler: samplerOf(choice),
    spanProcessors: [outlet],
  });
  const sampled = choice.root === "ratio" ? `${choice.ratio * 100} %` : choice.root;
  logger.info("Spans go to {endpoint}; sampled: {sampled}", { endpoint, sampled });
  return new OpenTelemetryTracing(provider.getTracer("taskexe", VERSION), outlet, clientId);
}

export class OpenTelemetryTracing implements Tracing {
  readonly #tracer: Tracer;
  readonly #outlet: SpanOutlet;
  readonly #clientId: string;

  constructor(tracer: Tracer, outlet: SpanOutlet, clientId: string) {
    this.#tracer = tracer;
    this.#outlet = outlet;
    this.#clientId = clientId;
  }

  get counts(): SpanCounts {
    return this.#outlet.counts;
  }

  send({ id, type, queue }: TracedTask, parent: TraceContext | null | undefined): Sending {
    const attributes = {
      ...this.#about("send", queue),
      "messaging.message.id": id,
      "taskexe.task.type": type,
    };
    return new SendSpan(
      this.#tracer.startSpan(`send ${queue}`, { kind: SpanKind.PRODUCER, attributes }, contextOf(parent ?? null)),
    );
  }

  attempt({ id, type, queue, attempt, creator }: TracedAttempt, as: AttemptsAs): AttemptSpan {
    const attributes = {
      ...this.#about("process", queue),
      "messaging.consumer.group.name": CONSUMER_GROUP,
      "messaging.message.id": id,
      "taskexe.task.type": type,
      "taskexe.task.attempt": attempt,
    };
    const isChild = as === "child";
    const links = isChild || creator === null ? [] : [linkTo(creator)];
    const context = contextOf(isChild ? creator : null);
    const span = this.#tracer.startSpan(`process ${queue}`, { kind: SpanKind.CONSUMER, attributes, links }, context);
    return new ProcessSpan(span);
  }

  called({ operation, queue, creators, startedAt }: TracedCall): void {
    const attributes = {
      ...this.#about(operation, queue),
      "messaging.consumer.group.name": CONSUMER_GROUP,
      "messaging.batch.message_count": creators.length,
    };
    const links = creators.flatMap((creator) => (creator === null ? [] : [linkTo(creator)])).slice(0, MOST_LINKS);
    const options = { kind: SpanKind.CLIENT, attributes, links, startTime: startedAt };
    this.#tracer.startSpan(`${operation} ${queue}`, options, ROOT_CONTEXT).end();
  }

  async flush(limitMs: number): Promise<void> {
    // What the collector does not take is counted where it is told.
    const flushed = this.#outlet.forceFlush().catch(() => {});
    await moveOnAfter(openRoot(), limitMs, ({ signal }) => abortable(flushed, signal));
  }

  #about(operation: "send" | "process" | "receive" | "settle", queue: string) {
    return {
      "messaging.system": "taskexe",
      "messaging.operation.name": operation,
      "messaging.operation.type": operation,
      "messaging.destination.name": queue,
      "messaging.client.id": this.#clientId,
    };
  }
}

class SendSpan implements Sending {
  readonly trace: TraceContext;
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
    this.trace = traceOf(span.spanContext());
  }

  ended(error?: unknown): void {
    if (!this.#span.isRecording()) return;
    if (error !== undefined) failed(this.#span, readText(error, "name") || "Error");
    this.#span.end();
  }
}

class ProcessSpan implements AttemptSpan {
  readonly trace: TraceContext;
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
    this.trace = traceOf(span.spanContext());
  }

  ended(outcome: string, errorType: string | null): void {
    if (!this.#span.isRecording()) return;
    this.#span.setAttribute("taskexe.task.outcome", outcome);
    if (errorType !== null) failed(this.#span, errorType);
    this.#span.end();
  }
}

function failed(span: Span, errorType: string): void {
  span.setAttribute("error.type", errorType);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function linkTo(creator: TraceContext): Link {
  return { context: spanContextOf(creator) };
}

function contextOf(parent: TraceContext | null): Context {
  return parent === null ? ROOT_CONTEXT : traces.setSpanContext(ROOT_CONTEXT, spanContextOf(parent));
}

function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext {
  const [, traceId = "", spanId = "", flags = "00"] = traceparent.split("-");
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return tracestate === undefined ? context : { ...context, traceState: createTraceState(tracestate) };
}

function traceOf({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const traceparent = `00-${traceId}-${spanId}-${(traceFlags & 1) === 1 ? "01" : "00"}`;
  const tracestate = traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}

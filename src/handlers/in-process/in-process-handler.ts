/**
 * A handler whose code runs in this process: a definition, and for each attempt a nursery around its `run`. Whatever
 * the code returns or throws becomes an ending here, where it can be looked at: values and errors never leave this
 * side.
 */
import {
  type AbandonedTask,
  type CancelScope,
  findError,
  isCancellation,
  type Nursery,
  type NurseryOptions,
  splitErrors,
  withNursery,
} from "../../concurrency/index.ts";
import { DoNotRetryError } from "../../task/options/retry.ts";
import { runOptionsIn } from "../../task/options/run-options.ts";
import { inTrace } from "../../task/trace/active-trace.ts";
import type { TaskDefinition } from "../define-task.ts";
import { messagesOf, toErrorRecord } from "../error-record.ts";
import type { CodeAttempt, CodeEnding, Handler, HandlerManifest, HandlerOptions } from "../handler.ts";
import { jsonSchemaOf } from "../payload-json-schema.ts";
import { readPayload } from "../read-payload.ts";
import { delayOfFunction } from "./backoff-function.ts";
import { readResult } from "./read-result.ts";
import { askedLater } from "./retry-later.ts";
import { TaskContextOf } from "./task-context.ts";
import { unwrapFailure } from "./unwrap-failure.ts";

type Failed = Extract<CodeEnding, { kind: "failed" }>;

export class InProcessHandler implements Handler {
  readonly type: string;
  readonly options: HandlerOptions;
  readonly checkPayload: HandlerManifest["checkPayload"];
  readonly isInline: boolean;
  readonly #definition: TaskDefinition;

  /** @param isTrusted - its code is our own, and kills nobody. */
  constructor(definition: TaskDefinition, isTrusted = false) {
    this.isInline = !isTrusted;
    this.type = definition.type;
    this.options = optionsOf(definition);
    const { type, payload: schema } = definition;
    this.checkPayload = schema === undefined ? null : (payload) => readPayload(schema, { type, payload });
    this.#definition = definition;
  }

  start(attempt: CodeAttempt, scope: CancelScope): Promise<CodeEnding> {
    return new HandlerRun(this.#definition, attempt).toTheEnd(scope);
  }

  async payloadSchema(): Promise<Readonly<Record<string, unknown>> | null> {
    const { payload } = this.#definition;
    return payload === undefined ? null : jsonSchemaOf(payload);
  }

  delayAfter(attempt: number, error: Error): number | null {
    return delayOfFunction(this.#definition, attempt, error);
  }
}

/** What the definition says, as data. */
function optionsOf(definition: TaskDefinition): HandlerOptions {
  const { backoff, queue, priority, delayMs, deadlineMs, unique, isolation } = definition;
  const asData = { ...definition, backoff: typeof backoff === "function" ? undefined : backoff };
  return { ...runOptionsIn(asData), queue, priority, delayMs, deadlineMs, unique, isolation };
}

/** One run, and the options of its nursery: one object for both, since short tasks feel each. */
class HandlerRun implements NurseryOptions {
  readonly name: string;
  readonly graceMs: number;
  readonly #definition: TaskDefinition;
  readonly #attempt: CodeAttempt;
  #payload: unknown;
  /** What the handler has returned. */
  #value: unknown;

  constructor(definition: TaskDefinition, attempt: CodeAttempt) {
    this.name = attempt.type;
    this.graceMs = attempt.graceMs;
    this.#definition = definition;
    this.#attempt = attempt;
    this.#payload = attempt.payload;
  }

  async toTheEnd(scope: CancelScope): Promise<CodeEnding> {
    const { payload: schema } = this.#definition;
    this.#attempt.begun();
    try {
      if (schema !== undefined) {
        const read = await readPayload(schema, this.#attempt);
        if (!read.ok) return failedFor(toErrorRecord(read.error), { retry: false });
        this.#payload = read.value;
      }
      await withNursery(scope, (nursery) => this.#body(nursery), this);
    } catch (error) {
      return this.#failed(error, scope);
    }
    return doneWith(this.#value);
  }

  #body(nursery: Nursery): Promise<void> | void {
    const context = new TaskContextOf(this.#attempt, this.#payload, nursery);
    const { trace } = this.#attempt;
    const returned = trace ? inTrace(trace, () => this.#definition.run(context)) : this.#definition.run(context);
    if (isPlain(returned)) this.#value = returned;
    else return this.#keep(Promise.resolve(returned));
  }

  async #keep(returned: Promise<unknown>): Promise<void> {
    this.#value = await returned;
  }

  onAbandoned(part: AbandonedTask): void {
    this.#attempt.leaveBehind(part);
  }

  /** @throws the error where it is nothing but the cancel. */
  #failed(thrown: unknown, scope: CancelScope): Failed {
    const [, failure] = splitErrors(thrown, (leaf) => isCancellation(leaf, scope));
    if (failure === undefined) throw thrown;
    try {
      return this.#lookAt(unwrapFailure(failure));
    } catch (tripped) {
      // What was thrown may trip up whoever looks: then that is how the attempt ended.
      const error = toErrorRecord(tripped);
      const message = `how the attempt ended cannot be told: ${messagesOf(error)}`;
      return failedFor({ name: "Error", message, parts: [error] }, { retry: false });
    }
  }

  #lookAt(failure: unknown): Failed {
    // What a child of the nursery throws arrives in a group.
    const error = toErrorRecord(failure);
    if (findError(failure, DoNotRetryError) !== undefined) return failedFor(error, { retry: false });
    const later = askedLater(failure, this.name);
    if (later !== null) return failedFor(error, { retryInMs: later.delayMs, later: later.only });
    const { attempt, asksForDelay } = this.#attempt;
    return failedFor(error, { retryInMs: asksForDelay ? delayOfFunction(this.#definition, attempt, failure) : null });
  }
}

function failedFor(error: Failed["error"], how: Partial<Pick<Failed, "retry" | "retryInMs" | "later">>): Failed {
  return { kind: "failed", error, retry: true, retryInMs: null, later: false, ...how };
}

const DONE_WITH_NOTHING: CodeEnding = Object.freeze({ kind: "done", result: null, omitted: null });

function doneWith(value: unknown): CodeEnding {
  if (value === undefined) return DONE_WITH_NOTHING;
  const { json, omitted } = readResult(value);
  return { kind: "done", result: json, omitted };
}

/** Whether there is surely nothing to wait for. */
function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "function");
}

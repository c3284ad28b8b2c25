/**
 * One attempt as it runs in a runner: what its handler tells becomes lines for the executor, and a cancel that the
 * executor sends becomes the cancel of its scope. It ends when all that it started has ended: whoever ignores a cancel
 * is the executor's to deal with, so there is no grace on this side.
 */

import { type CancelScope, systemClock } from "../concurrency/index.ts";
import { clip } from "../concurrency/unknown-values.ts";
import type { EnqueuedTask, TaskInfo } from "../handlers/define-task.ts";
import { RefusedEnqueueError } from "../handlers/enqueue-error.ts";
import { propertiesAsJson } from "../handlers/finished-line.ts";
import type { CodeAttempt, CodeEnding, HandlerLogLine } from "../handlers/handler.ts";
import type { InProcessHandler } from "../handlers/in-process/in-process-handler.ts";
import type { ToRunner } from "../runner-protocol/messages.ts";
import { wireOfRecord } from "../runner-protocol/wire-error.ts";
import { cutText, MAX_SHOWN_LINE } from "../runtime/cut-text.ts";
import { type KeptLock, LockRefusedError, type LockTerms } from "../task/lock/lock.ts";
import { readTrace, type TraceContext } from "../task/trace/trace-context.ts";
import type { Asks } from "./asks.ts";
import { LocksOfRun } from "./locks-of-run.ts";
import type { Outbox } from "./outbox.ts";

export type RunMessage = Extract<ToRunner, { kind: "run" }>;
export type CancelReason = Extract<ToRunner, { kind: "cancel" }>["reason"];

/** As an attempt that an executor runs itself is told it. */
const WORDS: Readonly<Record<CancelReason, string>> = {
  cancelled: "cancelled",
  timeout: "the deadline has passed",
  deadline: "the deadline has passed",
  lost: "the lease was lost",
  drain: "the executor is leaving",
};

/** Of a message of progress so much is sent: a record keeps less. In characters. */
const MAX_PROGRESS_MESSAGE = 10_000;
/** Of all the properties of one log line so much is sent, as JSON, in characters. */
const MAX_FIELDS = 256 * 1024;

export interface HostedParts {
  readonly outbox: Outbox;
  readonly asks: Asks;
  /** Ends the process where a task has replaced what all tasks use: see intact.ts. */
  readonly checkGlobals: () => void;
}

export class HostedRun implements CodeAttempt {
  readonly run: number;
  readonly graceMs = Infinity;
  #locks: LocksOfRun | null = null;
  readonly #message: RunMessage;
  readonly #outbox: Outbox;
  readonly #asks: Asks;
  readonly #checkGlobals: () => void;
  #scope: CancelScope | null = null;
  #cancel: CancelReason | null = null;
  #hasEnded = false;

  constructor(message: RunMessage, { outbox, asks, checkGlobals }: HostedParts) {
    this.run = message.run;
    this.#message = message;
    this.#outbox = outbox;
    this.#asks = asks;
    this.#checkGlobals = checkGlobals;
  }

  get id(): string {
    return this.#message.task.id;
  }

  get type(): string {
    return this.#message.task.type;
  }

  get task(): TaskInfo {
    const { id, type, queue, priority, queued_at: queuedAt, message } = this.#message.task;
    const own = { id, task_type: type, payload: this.#message.payload };
    return { id, type, queue, priority, queuedAt, message: message ?? own };
  }

  get payload(): unknown {
    const { task, payload } = this.#message;
    return task.message ?? payload;
  }

  get attempt(): number {
    return this.#message.attempt;
  }

  get trace(): TraceContext | null {
    const { trace, tracestate } = this.#message;
    return trace === undefined ? null : readTrace(trace, tracestate);
  }

  get asksForDelay(): boolean {
    return this.#message.asks_for_delay;
  }

  /** What the scope of the run is, once it has one. */
  get scope(): CancelScope | null {
    return this.#scope;
  }

  /** The executor was told, before anything of what was handed over with this run was called. */
  waits(): void {}

  begun(): void {}

  tellProgress(value: number, message: string): void {
    if (this.#hasEnded || value < -1) return;
    this.#outbox.say({
      kind: "progress",
      run: this.run,
      value: Math.min(value, 1),
      message: clip(message, MAX_PROGRESS_MESSAGE),
    });
  }

  /** What something that the run started writes after its end is the executor's: the task has been recorded. */
  writeLog({ level, text: template, properties, plain }: HandlerLogLine): void {
    const { id, type } = this;
    // Without fields a text is no template. The log shows no more of it.
    const text = cutText(properties === null ? plain : template, MAX_SHOWN_LINE);
    const known = this.#hasEnded ? { ...properties, id, type } : properties;
    const fields = known === null ? null : propertiesAsJson(Object.entries(known));
    const head = JSON.stringify({ kind: "log", ...(this.#hasEnded ? {} : { run: this.run }), level, text });
    this.#outbox.line(fields === null ? `${head}\n` : `${head.slice(0, -1)},"fields":${boundedFields(fields)}}\n`);
  }

  async enqueue(tasks: readonly unknown[]): Promise<readonly EnqueuedTask[]> {
    if (this.#hasEnded)
      throw new RefusedEnqueueError(`the attempt of ${this.id} has ended: it enqueues nothing any more`);
    if (this.#cancel === "lost")
      throw new RefusedEnqueueError(`the lease of ${this.id} was lost: another attempt may run`);
    return this.#asks.enqueue(this.run, tasks);
  }

  async takeLock(terms: LockTerms, signal: AbortSignal = new AbortController().signal): Promise<KeptLock | null> {
    if (this.#hasEnded) throw new LockRefusedError(`the attempt of ${this.id} has ended: it takes no lock any more`);
    if (this.#cancel === "lost")
      throw new LockRefusedError(`the lease of ${this.id} was lost: another attempt may run`);
    this.#locks ??= new LocksOfRun(this.run, this.#asks);
    return this.#locks.take(terms, signal);
  }

  /** The executor does not hold a lock of it any more. */
  lostLock(name: string, fence: number | undefined): void {
    this.#locks?.lost(name, fence);
  }

  leaveBehind(): void {
    throw new Error("a run without a grace leaves nothing behind");
  }

  /** The first reason wins. */
  cancel(reason: CancelReason): void {
    if (this.#cancel !== null) return;
    this.#cancel = reason;
    if (this.#scope !== null) this.#end(this.#scope, reason);
  }

  /** Runs it to its end and says how it ended. Never rejects. */
  async toTheEnd(handler: InProcessHandler, scope: CancelScope): Promise<void> {
    this.#scope = scope;
    if (this.#cancel !== null) this.#end(scope, this.#cancel);
    let ending: CodeEnding;
    try {
      ending = await handler.start(this, scope);
    } catch {
      this.#hasEnded = true;
      // Nothing but the cancel of its scope.
      this.#sayStopped(handler);
      return;
    }
    this.#hasEnded = true;
    if (ending.kind === "done") {
      this.#sayDone(ending);
      return;
    }
    this.#checkGlobals();
    this.#sayFailed(ending);
  }

  #end(scope: CancelScope, reason: CancelReason): void {
    // As a limit that runs in this process: its cancel says that it was the deadline.
    if (reason === "timeout" || reason === "deadline") scope.deadline = systemClock.now();
    scope.cancel(WORDS[reason]);
  }

  #sayDone({ result, omitted }: Extract<CodeEnding, { kind: "done" }>): void {
    const { run } = this;
    if (omitted !== null) this.#outbox.say({ kind: "done", run, omitted });
    else this.#outbox.line(`{"kind":"done","run":${run}${result === null ? "" : `,"result":${result}`}}\n`);
  }

  #sayFailed({ error, retry, retryInMs, later }: Extract<CodeEnding, { kind: "failed" }>): void {
    const when = retryInMs === null ? {} : { retry_in_ms: retryInMs };
    this.#outbox.say({ kind: "failed", run: this.run, error: wireOfRecord(error), retry, ...when, later });
  }

  #sayStopped(handler: InProcessHandler): void {
    const { run } = this;
    const isLate = this.#cancel === "timeout" || this.#cancel === "deadline";
    const retryInMs = isLate && this.asksForDelay ? handler.delayAfter(this.attempt, tooLate()) : null;
    this.#outbox.say({
      kind: "stopped",
      run,
      begun: true,
      ...(retryInMs === null ? {} : { retry_in_ms: retryInMs }),
    });
  }
}

/** Of the properties of a log line, as JSON, each the beginning where they are long together. */
function boundedFields(json: string): string {
  if (json.length <= MAX_FIELDS) return json;
  const kept: [string, string][] = [];
  let length = 0;
  for (const [key, value] of Object.entries<unknown>(JSON.parse(json))) {
    const entry: [string, string] = [cutText(key), cutText(typeof value === "string" ? value : JSON.stringify(value))];
    length += entry[0].length + entry[1].length;
    if (length > MAX_FIELDS) break;
    kept.push(entry);
  }
  return JSON.stringify(Object.fromEntries(kept));
}

function tooLate(): Error {
  const error = new Error("the time limit has passed");
  error.name = "TimeoutError";
  delete error.stack;
  return error;
}

/**
 * One attempt, from its claim until its outcome is handed on: what its steps find out, what its handler tells, why it
 * was stopped. The steps are in run-attempt.ts; the attempts in flight are in running-attempts.ts.
 */
import { getLogger, type Logger } from "@logtape/logtape";
import type { Broker, Delivery } from "../../broker/broker.ts";
import type { AbandonedTask, CancelScope } from "../../concurrency/index.ts";
import type { EnqueuedTask, TaskInfo } from "../../handlers/define-task.ts";
import type {
  CancelReason,
  Handler,
  HandlerAttempt,
  HandlerLogLine,
  HandlerOptions,
  Suspect,
} from "../../handlers/handler.ts";
import type { KeptLocks } from "../../operations/locks/kept-locks.ts";
import { cutText } from "../../runtime/cut-text.ts";
import type { KeptLock, LockTerms } from "../../task/lock/lock.ts";
import type { TaskMessage } from "../../task/message/message-schema.ts";
import { type Spent, spentOf } from "../../task/record/attempt-times.ts";
import type { EndedBy } from "../../task/record/ended-by.ts";
import {
  appendLog,
  messageText,
  PROGRESS_LOG_LENGTH,
  progressLine,
  takesProgress,
} from "../../task/record/progress.ts";
import { type TraceContext, tracedAs } from "../../task/trace/trace-context.ts";
import type { AttemptSpan } from "../../tracing/spans.ts";
import type { TaskLogs } from "../reports/task-logs.ts";
import type { Children } from "./children.ts";
import type { Entrance } from "./company.ts";
import type { AttemptPolicy } from "./policy.ts";
import type { TimeLimit } from "./time-limit.ts";

const logger = getLogger(["taskexe", "executor"]);
const taskLogger = getLogger(["taskexe", "task"]);

/** Why an attempt was stopped from outside. */
export type StopCause = "cancel" | "lost" | "hand-back";

/** What an attempt needs of its executor. */
export interface AttemptHost {
  readonly broker: Pick<Broker, "now">;
  readonly policy: AttemptPolicy;
  /** Takes the lines of the tasks' own logs. */
  readonly logs: Pick<TaskLogs, "add">;
  /** Where those that wait for a runner give their slots back. */
  readonly running: { park(attempt: Attempt): void; unpark(attempt: Attempt): void };
  readonly graceMs: number;
  /** Takes what handlers enqueue. */
  readonly children: Pick<Children, "enqueue">;
  /** Keeps the locks that handlers take. */
  readonly locks: Pick<KeptLocks, "take" | "free" | "ended">;
  /** A part of the attempt ignores its cancel and was left behind. */
  readonly abandoned: (attempt: Attempt) => void;
  /** A part that was left behind has ended. */
  readonly freed: (attempt: Attempt) => void;
}

const REASONS: Readonly<Record<StopCause, CancelReason>> = { cancel: "cancelled", lost: "lost", "hand-back": "drain" };

/** What an attempt whose type has no handler here, or is not known yet, goes by. */
const NO_OPTIONS: HandlerOptions = Object.freeze({});

export class Attempt implements HandlerAttempt {
  readonly delivery: Delivery;
  readonly scope: CancelScope;
  message: TaskMessage | null = null;
  /** The handler of its type; undefined where this executor has none. */
  handler: Handler | undefined;
  progress = 0;
  /** The log of progress messages; null until the handler tells something. */
  log: string | null = null;
  lastMessage = "";
  /** True while something told has not been written. */
  untold = false;
  /** Whether anything was written of it while it runs. */
  isWritten = false;
  /** Whether the handler wrote a line to the task's own log. */
  hasLogged = false;
  /** Once the attempt has ended nothing that its handler tells belongs to the task any more. */
  hasEnded = false;
  /** Whether it has asked for a lock. */
  hasLocks = false;
  /** It waits for a runner, and holds no slot. */
  isParked = false;
  /** Whether its code was called. */
  hasBegun = false;
  /** When its code ended, Unix ms on the broker's clock; null: it was never called, or runs. */
  codeEndedAt: number | null = null;
  /** null: it may take as long as it likes. */
  limit: TimeLimit | null = null;
  /** What is told of it to whoever collects spans; null: nothing. */
  span: AttemptSpan | null = null;
  /** Of an inline one: whether it has begun beside others; null: that is not known yet. */
  place: Entrance | null = null;
  /** An executor has died over it while it ran alone in that. */
  ranAlone = false;
  stop: StopCause | null = null;
  stopReason = "";
  /** When it was told to stop, on the monotonic clock, in ms. */
  #stoppedAt = 0;
  /** When the next attempt is due by its code's own function, in ms; null: that was not said. */
  toldDelayMs: number | null = null;
  /** How its code ended then, where its handler has said so. */
  #endedBy: EndedBy | null = null;
  /** Its neighbours among the attempts in flight. */
  previous: Attempt | null = null;
  next: Attempt | null = null;
  /** How many functions of this attempt ignore the cancel and run on: the handler, children of its nursery. */
  abandonedParts = 0;
  readonly #host: AttemptHost;
  #taskLogger: Logger | null = null;
  #startedAt: number | null = null;

  constructor(delivery: Delivery, scope: CancelScope, host: AttemptHost) {
    this.delivery = delivery;
    this.scope = scope;
    this.#host = host;
  }

  get id(): string {
    return this.message?.id ?? "";
  }

  get type(): string {
    return this.message?.type ?? "";
  }

  get payload(): unknown {
    return this.message?.payload;
  }

  get payloadText(): string {
    return this.message?.payloadText ?? "null";
  }

  get isForeign(): boolean {
    return this.message?.foreign === true;
  }

  /** When its code was called, Unix ms on the broker's clock; of one that waits for that, when it was first asked. */
  get startedAt(): number {
    this.#startedAt ??= this.#host.broker.now();
    return this.#startedAt;
  }

  /** Where its time went; undefined: its code was never called. */
  get spent(): Spent | undefined {
    const { delivery, startedAt: begunAt, codeEndedAt: endedAt } = this;
    if (endedAt === null) return undefined;
    return spentOf({ queuedAt: delivery.queuedAt, claimedAt: delivery.arrival?.at ?? null, begunAt, endedAt });
  }

  get deadlineInMs(): number | null {
    const deadline = this.message?.options.deadline_at;
    return deadline === undefined ? null : Math.max(deadline - this.#host.broker.now(), 0);
  }

  get cancelReason(): CancelReason {
    if (this.stop !== null) return REASONS[this.stop];
    // Whatever else cancels it cancels all attempts.
    return this.scope.signal.aborted ? "drain" : (this.limit?.kind ?? "drain");
  }

  get trace(): TraceContext | null {
    return this.span?.trace ?? this.message?.trace ?? null;
  }

  /** What its log lines say of its trace. */
  get traced(): { readonly trace_id?: string } {
    return tracedAs(this.trace);
  }

  get attempt(): number {
    return this.message?.options.attempt ?? 1;
  }

  get crashes(): number {
    return this.message?.options.crashes ?? 0;
  }

  get follows(): string | null {
    return this.message?.options.follows ?? null;
  }

  /** How many may run beside it; null: it is no suspect. */
  get company(): number | null {
    return this.message?.options.company ?? null;
  }

  get suspect(): Suspect | null {
    const { company } = this;
    return company === null ? null : { company };
  }

  get task(): TaskInfo {
    const { queue, priority, queuedAt } = this.delivery;
    const { id, type, message } = this;
    // The whole message is read once somebody looks at it.
    return {
      id,
      type,
      queue,
      priority,
      queuedAt,
      get message() {
        return message?.fields ?? {};
      },
    };
  }

  /** What its handler says of it. */
  get options(): HandlerOptions {
    return this.handler?.options ?? NO_OPTIONS;
  }

  get graceMs(): number {
    return this.#host.graceMs;
  }

  get asksForDelay(): boolean {
    const { message, attempt } = this;
    if (message === null || message.options.backoff !== undefined) return false;
    return attempt < this.#host.policy.attemptsOf(message, this.options);
  }

  waits(): void {
    this.#host.running.park(this);
  }

  begun(): void {
    if (this.hasBegun) return;
    this.#host.running.unpark(this);
    this.hasBegun = true;
    this.#startedAt = this.#host.broker.now();
    this.limit?.begun();
    const { message } = this;
    // No enqueue of ours has made its record: what runs for longer than a round of writes gets one.
    if (message?.foreign && this.#host.policy.retentionOf(message, this.options) > 0) this.untold = true;
  }

  /** Why its handler may enqueue nothing any more; null: it may. */
  get enqueueRefusal(): string | null {
    return this.#refusal("enqueues nothing");
  }

  /** Why its handler may take no lock any more; null: it may. */
  get lockRefusal(): string | null {
    return this.#refusal("takes no lock");
  }

  #refusal(what: string): string | null {
    if (this.hasEnded) return `the attempt of ${this.id} has ended: it ${what} any more`;
    return this.stop === "lost" ? `the lease of ${this.id} was lost: another attempt may run by now` : null;
  }

  enqueue(tasks: readonly unknown[]): Promise<readonly EnqueuedTask[]> {
    return this.#host.children.enqueue(this, tasks);
  }

  takeLock(terms: LockTerms, signal = this.scope.signal): Promise<KeptLock | null> {
    this.hasLocks = true;
    return this.#host.locks.take(this, terms, signal);
  }

  freeLock(name: string, fence: number | undefined): Promise<void> {
    return this.#host.locks.free(this, name, fence);
  }

  /** It has ended: so have its locks, but for those of code that runs on. */
  freeLocks(): void {
    if (this.hasLocks) this.#host.locks.ended(this, this.endedBy.how === "abandoned");
  }

  /** Cancels the attempt; the first cause wins. */
  end(cause: StopCause, reason: string): void {
    if (this.stop !== null) return;
    this.stop = cause;
    this.stopReason = reason;
    this.#stoppedAt = performance.now();
    this.scope.cancel(reason);
  }

  /** Notes it by the rules of progress, its message in any case; the write follows with the next round. */
  tellProgress(value: number, message: string): void {
    if (value < -1) return;
    const isTaken = takesProgress(this.progress, value);
    if (!isTaken && message === "") return;
    if (isTaken) this.progress = Math.min(value, 1);
    if (message !== "") {
      const { fields } = this.message ?? {};
      this.lastMessage = cutText(messageText(fields, message), PROGRESS_LOG_LENGTH);
      const line = progressLine(this.#host.broker.now(), messageText(fields, message, { failed: value < 0 }));
      this.log = appendLog(this.log ?? "", line);
    }
    this.log ??= "";
    this.untold = true;
  }

  /**
   * Every line goes to the executor's log, with the task's id and type, and to the task's own; but for a task that
   * keeps no record, and for what a handler that was left behind, or something that it started, writes after the end.
   */
  writeLog(line: HandlerLogLine): void {
    const { id, type, message } = this;
    this.#taskLogger ??= taskLogger.with({ id, type, ...this.traced });
    this.#taskLogger[line.level](line.text, line.properties ?? {});
    if (message === null || this.hasEnded || this.#host.policy.retentionOf(message, this.options) === 0) return;
    this.hasLogged = true;
    this.#host.logs.add({ id, queue: this.delivery.queue }, line.level, line.plain);
  }

  tellEndedBy(endedBy: EndedBy): void {
    this.#endedBy = endedBy;
  }

  tellDelay(ms: number): void {
    this.toldDelayMs = ms;
  }

  /** How its code ended, once it has: for an attempt that was told to stop, or whose time was over. */
  get endedBy(): EndedBy {
    if (this.#endedBy !== null) return this.#endedBy;
    const afterMs = this.stop === null ? (this.limit?.overMs ?? 0) : performance.now() - this.#stoppedAt;
    return { how: this.abandonedParts > 0 ? "abandoned" : "heeded", afterMs };
  }

  leaveBehind({ name, ageMs, settled }: AbandonedTask): void {
    logger.error("{name} of task {id} ignores its cancel: left behind after {ageMs} ms; it keeps its slot", {
      name,
      id: this.id,
      ageMs: Math.round(ageMs),
      ...this.traced,
    });
    this.#host.abandoned(this);
    const free = (): void => this.#host.freed(this);
    settled.then(free, free);
  }
}

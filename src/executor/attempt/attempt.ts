/**
 * One attempt, as its list of steps: read the message, refuse what is cancelled, lost or quarantined, find the handler,
 * check the payload, run, conclude. Every way out is one Outcome, or a hand-back, or nothing where the lease is lost.
 * Nothing that a message holds or a handler throws leaves this file as an error.
 */
import { getLogger } from "@logtape/logtape";
import type { Broker, Delivery, Outcome } from "../../broker/broker.ts";
import {
  type AbandonedTask,
  abortable,
  type CancelScope,
  failAfter,
  type Nursery,
  type NurseryOptions,
  type Task,
  TooSlowError,
  withNursery,
} from "../../concurrency/index.ts";
import { isInstance } from "../../concurrency/unknown-values.ts";
import type { TaskDefinition } from "../../handlers/define-task.ts";
import { groupMessage, messagesOf, toErrorRecord } from "../../handlers/error-record.ts";
import { readPayload } from "../../handlers/read-payload.ts";
import type { HandlerRegistry } from "../../handlers/registry.ts";
import { parseMessage } from "../../task/message.ts";
import type { TaskMessage } from "../../task/message-schema.ts";
import { appendLog, progressLine } from "../../task/progress.ts";
import type { TaskLogs } from "../reports/task-logs.ts";
import { AttemptContext } from "./attempt-context.ts";
import type { CancelWatch } from "./cancel-watch.ts";
import { conclude, type Ending } from "./conclude.ts";
import { unwrapFailure } from "./failure.ts";
import type { LeaseCheck } from "./lease-check.ts";
import type { AttemptPolicy, BrokerClock, Limit } from "./policy.ts";
import { readResult } from "./read-result.ts";
import { RunningTask, type RunningTasks } from "./running.ts";
import { UnknownTypeError } from "./unknown-type.ts";

const logger = getLogger(["taskexe", "executor"]);

export interface AttemptParts {
  readonly broker: Broker;
  readonly handlers: HandlerRegistry;
  readonly running: RunningTasks;
  readonly cancels: CancelWatch;
  readonly leases: LeaseCheck;
  readonly policy: AttemptPolicy;
  readonly logs: TaskLogs;
  readonly graceMs: number;
  /** Takes the outcome of an attempt that ended here. */
  readonly ended: (outcome: Outcome) => void;
  /** Takes a delivery that goes back unrun. */
  readonly handBack: (delivery: Delivery) => void;
  /** The attempt was stopped since its lease had gone to another executor. */
  readonly lost: () => void;
  /** A slot may be free again. */
  readonly slotFreed: () => void;
  /** An attempt ignores its cancel and was left behind. */
  readonly abandoned: (task: RunningTask) => void;
}

/** Runs one attempt in the scope of `task`. Never rejects, but for an error of our own. */
export async function runAttempt(delivery: Delivery, task: Task, parts: AttemptParts): Promise<void> {
  const running = new RunningTask(delivery, task.scope, parts.broker.now());
  parts.running.add(running);
  let ending: Ending;
  try {
    ending = await takeSteps(running, parts);
  } catch (error) {
    // A schema's own check that throws, for one: whatever a message leads to is that task's failure.
    ending = running.scope.signal.aborted ? { kind: "stopped" } : { kind: "failed", error, retry: true };
  } finally {
    parts.running.remove(running);
  }
  settle(running, ending, parts);
  parts.slotFreed();
}

async function takeSteps(running: RunningTask, parts: AttemptParts): Promise<Ending> {
  const { delivery } = running;
  const read = readMessage(delivery);
  if (!read.ok) return { kind: "dead", reason: read.reason, error: null, id: read.id };
  const { message } = read;
  running.message = message;
  if ((message.foreign || delivery.mayBeCancelled) && (await isCancelled(running, message, parts))) {
    return { kind: "cancelled", reason: "cancelled before it began" };
  }
  if (!parts.leases.isFresh(delivery) && (await isLost(running, parts))) {
    running.end("lost", "the lease was lost before it began");
    return { kind: "stopped" };
  }
  const definition = parts.handlers.get(message.type);
  running.definition = definition;
  const refusal = refusalOf(running, message, parts);
  if (refusal !== null) return refusal;
  if (definition === undefined) return { kind: "failed", error: unknownType(message, parts), retry: true };
  let { payload } = message;
  if (definition.payload !== undefined) {
    const read = await readPayload(definition.payload, message);
    if (!read.ok) return { kind: "failed", error: read.error, retry: false };
    payload = read.value;
  }
  const handled = new HandlerRun(running, message, definition, payload, parts);
  const limit = parts.policy.limitOf(message, definition, parts.broker);
  try {
    if (limit === null) await handled.inNursery(running.scope);
    else await failAfter(running.scope, limit.ms, (scope) => handled.inNursery(scope));
  } catch (error) {
    if (running.stop !== null || running.scope.signal.aborted) return { kind: "stopped" };
    return { kind: "failed", error: timedOut(error, limit) ?? unwrapFailure(error), retry: true };
  }
  if (running.stop === "cancel" || running.stop === "lost") return { kind: "stopped" };
  const { json, omitted } = readResult(handled.value);
  return { kind: "done", result: json, omitted };
}

function isCancelled(running: RunningTask, message: TaskMessage, parts: AttemptParts): Promise<boolean> {
  return abortable(parts.cancels.isCancelled(message.id), running.scope.signal);
}

async function isLost({ delivery, scope, message }: RunningTask, parts: AttemptParts): Promise<boolean> {
  const lost = await abortable(parts.leases.isLost(delivery), scope.signal);
  if (lost) logger.warn("The lease of {id} was lost to another executor before it began", { id: message?.id });
  return lost;
}

/** Why the task must not run now, whatever its handler; null: it may. */
function refusalOf(running: RunningTask, message: TaskMessage, parts: AttemptParts): Ending | null {
  const { crashes } = running;
  const budget = parts.policy.crashBudgetOf(message, running.definition);
  if (crashes > budget) {
    const reason = `quarantined: ${crashes} executors died or stalled while they ran it (budget ${budget})`;
    return { kind: "dead", reason, error: null };
  }
  if (parts.broker.isTypePaused(message.type)) return { kind: "parked" };
  const late = parts.policy.deadlinePassed(message, parts.broker);
  return late === null ? null : { kind: "dead", reason: late, error: null };
}

function readMessage(delivery: Delivery): ReturnType<typeof parseMessage> {
  if (delivery.raw !== null) return parseMessage(delivery.raw);
  return { ok: false, reason: delivery.problem ?? "the entry has no message", id: null };
}

function unknownType(message: TaskMessage, parts: AttemptParts): Error {
  const known = parts.handlers.types().slice(0, 20).join(", ");
  return new UnknownTypeError(`no handler for the type "${message.type}"; this executor knows ${known}`);
}

/** One run of a handler, and the options of its nursery: one object for both, since short tasks feel each. */
class HandlerRun implements NurseryOptions {
  readonly name: string;
  readonly graceMs: number;
  /** What the handler has returned. */
  value: unknown;
  readonly #running: RunningTask;
  readonly #message: TaskMessage;
  readonly #definition: TaskDefinition;
  readonly #payload: unknown;
  readonly #parts: AttemptParts;

  constructor(
    running: RunningTask,
    message: TaskMessage,
    definition: TaskDefinition,
    payload: unknown,
    parts: AttemptParts,
  ) {
    this.name = message.type;
    this.graceMs = parts.graceMs;
    this.#running = running;
    this.#message = message;
    this.#definition = definition;
    this.#payload = payload;
    this.#parts = parts;
  }

  inNursery(scope: CancelScope): Promise<void> {
    return withNursery(scope, (nursery) => this.#body(nursery), this);
  }

  #body(nursery: Nursery): Promise<void> | void {
    const { policy, broker, logs } = this.#parts;
    const keptLogs = policy.retentionOf(this.#message, this.#definition) === 0 ? null : logs;
    const returned = this.#definition.run(
      new AttemptContext(this.#running, this.#message, this.#payload, nursery, broker, keptLogs),
    );
    if (isPlain(returned)) this.value = returned;
    else return this.#keep(Promise.resolve(returned));
  }

  async #keep(returned: Promise<unknown>): Promise<void> {
    this.value = await returned;
  }

  onAbandoned({ name, ageMs, settled }: AbandonedTask): void {
    logger.error("{name} of task {id} ignores its cancel: left behind after {ageMs} ms; it keeps its slot", {
      name,
      id: this.#message.id,
      ageMs: Math.round(ageMs),
    });
    const parts = this.#parts;
    parts.running.abandon(this.#running);
    parts.abandoned(this.#running);
    const free = (): void => freeAbandoned(this.#running, parts);
    settled.then(free, free);
  }
}

/** Whether there is surely nothing to wait for. */
function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "function");
}

function timedOut(error: unknown, limit: Limit | null): Error | null {
  if (!isInstance(error, TooSlowError) || limit === null) return null;
  const timeout = new Error(limit.passed);
  timeout.name = "TimeoutError";
  delete timeout.stack;
  return timeout;
}

function freeAbandoned(running: RunningTask, parts: AttemptParts): void {
  parts.running.free(running);
  if (running.abandonedParts > 0) return;
  logger.info("The abandoned task {id} has ended; its slot is free again", { id: running.message?.id });
  parts.slotFreed();
}

/** Hands the ending on: an outcome, a hand-back, or nothing. */
function settle(running: RunningTask, ending: Ending, parts: AttemptParts): void {
  if (ending.kind === "stopped") {
    if (running.stop === "lost") {
      parts.lost();
      return;
    }
    if (running.stop !== "cancel") {
      parts.handBack(running.delivery);
      return;
    }
    ending = { kind: "cancelled", reason: running.stopReason };
  }
  parts.ended(outcomeOf(running, ending, parts));
}

/** What a handler has left to be looked at may trip up whoever looks: then that is how its task ended. */
function outcomeOf(running: RunningTask, ending: Exclude<Ending, { kind: "stopped" }>, parts: AttemptParts): Outcome {
  try {
    note(running, ending, parts.broker);
    return conclude(running, ending, parts.policy, parts.broker);
  } catch (thrown) {
    const error = toErrorRecord(thrown);
    const reason = `how the attempt ended cannot be told: ${messagesOf(error)}`;
    logger.error("Dead: {id}: {reason}", { id: running.message?.id, reason });
    running.definition = undefined;
    return conclude(running, { kind: "dead", reason, error }, parts.policy, parts.broker);
  }
}

/** The last line of the log, as readers of the wire contract know it. */
function note(running: RunningTask, ending: Ending, clock: BrokerClock): void {
  if (ending.kind === "failed") {
    const error = groupMessage(ending.error);
    running.log = appendLog(running.log ?? "", progressLine(clock.now(), error, { failed: true }));
    logger.warn("Attempt {attempt} of {id} ({type}) failed: {error}", {
      attempt: running.attempt,
      id: running.message?.id,
      type: running.message?.type,
      error,
    });
  } else if (ending.kind === "done") {
    if (ending.omitted === null) return;
    logger.warn("{id} ({type}) is done, but {omitted}", {
      id: running.message?.id,
      type: running.message?.type,
      omitted: ending.omitted,
    });
  } else if (ending.kind === "cancelled") {
    running.log = `${appendLog(running.log ?? "", progressLine(clock.now(), running.lastMessage || "stopped"))} [Canceled]`;
  } else if (ending.kind === "dead") {
    logger.warn("Dead: {id}: {reason}", { id: running.message?.id ?? running.delivery.handle, reason: ending.reason });
  }
}

/**
 * One attempt as its list of steps: the message is read, what is cancelled, lost, quarantined, paused or late is not
 * run, the handler is found and started. The first step that gives an ending is the last; the ending becomes one
 * Outcome, or a hand-back, or nothing where the lease is lost. Nothing that a message holds or a handler throws leaves
 * this file as an error.
 */
import { getLogger } from "@logtape/logtape";
import type { Broker, Delivery, Outcome } from "../../broker/broker.ts";
import { abortable, type Task, withScope } from "../../concurrency/index.ts";
import { messagesOf, toErrorRecord } from "../../handlers/error-record.ts";
import type { Handler, Handlers } from "../../handlers/handler.ts";
import { handlerFor } from "../../handlers/handler-for.ts";
import { parseMessage } from "../../task/message/message.ts";
import type { TaskMessage } from "../../task/message/message-schema.ts";
import { cancelReason } from "../../task/record/ended-by.ts";
import { appendLog, messageText, progressLine } from "../../task/record/progress.ts";
import type { AttemptSpan } from "../../tracing/spans.ts";
import type { LeftToOthers } from "../intake/left-to-others.ts";
import type { Stops } from "../status/stops.ts";
import { hadBegunAlone, mustBeAlone, noteAlone } from "./alone.ts";
import { Attempt, type AttemptHost } from "./attempt.ts";
import type { CancelWatch } from "./cancel-watch.ts";
import { chargesAfter, chargesIn, conviction, errorOf, type Orphaned } from "./charges.ts";
import type { InlineCompany } from "./company.ts";
import { type Concluded, conclude, type Ending } from "./conclude.ts";
import type { LeaseCheck } from "./lease-check.ts";
import type { BrokerClock, Limits } from "./policy.ts";
import type { RunningAttempts } from "./running-attempts.ts";
import { TimeLimit } from "./time-limit.ts";
import { unknownTypeError } from "./unknown-type.ts";

const logger = getLogger(["taskexe", "executor"]);

export interface AttemptParts extends AttemptHost {
  /** Takes what executors of other programs may run. */
  readonly left: Pick<LeftToOthers, "leaves" | "add">;
  readonly broker: Broker;
  readonly handlers: Handlers;
  readonly running: RunningAttempts;
  readonly cancels: CancelWatch;
  readonly leases: LeaseCheck;
  /** Begins the span of an attempt whose handler is to be called; null: nobody collects spans. */
  readonly spanOf: ((attempt: Attempt) => AttemptSpan) | null;
  /** Takes the outcome of an attempt that ended here. */
  readonly ended: (outcome: Outcome, attempt: Attempt) => void;
  /** Takes a delivery that goes back unrun, at the end. */
  readonly handBack: (attempt: Attempt) => void;
  /** Takes one that goes back at once, for others to run. */
  readonly turnAway: (attempt: Attempt) => void;
  /** Which inline attempts may begin beside which. */
  readonly company: InlineCompany;
  /** Told how those ended that were told to stop. */
  readonly stops: Stops;
  /** How many attempts may run at once. */
  readonly slots: number;
  /** The attempt was stopped since its lease had gone to another executor. */
  readonly lost: (attempt: Attempt) => void;
  /** Its code has ended. */
  readonly ran: (attempt: Attempt) => void;
  /** A slot may be free again. */
  readonly slotFreed: () => void;
}

const STOPPED: Ending = Object.freeze({ kind: "stopped" });
const PARKED: Ending = Object.freeze({ kind: "parked" });
const UNREADABLE = Object.freeze({ failedBy: "payload" });
const TURNED_AWAY: Ending = Object.freeze({ kind: "turned-away" });
const LEFT: Ending = Object.freeze({ kind: "left" });

/**
 * Runs one attempt in the scope of `task`: step by step, until one gives an ending. Most steps have nothing to wait
 * for, and short tasks feel each turn. Never rejects, but for an error of our own.
 */
export async function runAttempt(delivery: Delivery, { scope }: Task, parts: AttemptParts): Promise<void> {
  const attempt = new Attempt(delivery, scope, parts);
  parts.running.add(attempt);
  let ending: Ending = STOPPED;
  try {
    const found =
      readMessage(attempt) ??
      (mayBeCancelled(attempt) ? await askWhetherCancelled(attempt, parts) : null) ??
      (parts.leases.isFresh(delivery) ? null : await askWhetherLost(attempt, parts)) ??
      findHandler(attempt, parts) ??
      (attempt.delivery.deliveries > 1 && mustBeAlone(attempt) ? await askWhetherBegun(attempt, parts) : null) ??
      judgeDeaths(attempt, parts) ??
      setPausedAside(attempt, parts) ??
      refuseLate(attempt, parts) ??
      (attempt.handler === undefined ? await refuseUnknownType(attempt, parts) : null) ??
      findPlace(attempt, parts) ??
      (attempt.place === "must wait" ? await waitForPlace(attempt, parts) : null) ??
      (mustBeAlone(attempt) ? await tellAlone(attempt, parts) : null) ??
      (await startHandler(attempt, parts));
    ending = unlessStopped(attempt, found);
  } catch (error) {
    // Whatever a message leads to is that task's failure.
    if (!scope.signal.aborted) ending = failedBy(error);
  } finally {
    if (attempt.hasBegun) parts.ran(attempt);
    parts.running.remove(attempt);
    attempt.freeLocks();
    if (attempt.place === "begun") parts.company.leave(attempt.company);
  }
  handOn(attempt, ending, parts);
  parts.slotFreed();
}

function readMessage(attempt: Attempt): Ending | null {
  const { raw, problem } = attempt.delivery;
  if (raw === null)
    return { kind: "dead", reason: problem ?? "the entry has no message", error: null, id: null, ...UNREADABLE };
  const read = parseMessage(raw);
  if (!read.ok) return { kind: "dead", reason: read.reason, error: null, id: read.id, ...UNREADABLE };
  attempt.message = read.message;
  return null;
}

function mayBeCancelled({ message, delivery }: Attempt): boolean {
  return message?.foreign === true || delivery.mayBeCancelled;
}

async function askWhetherCancelled({ id, scope }: Attempt, { cancels }: AttemptParts): Promise<Ending | null> {
  const isCancelled = await abortable(cancels.isCancelled(id), scope.signal);
  return isCancelled ? { kind: "cancelled", reason: "cancelled before it began" } : null;
}

async function askWhetherLost(attempt: Attempt, { leases }: AttemptParts): Promise<Ending | null> {
  if (!(await abortable(leases.isLost(attempt.delivery), attempt.scope.signal))) return null;
  logger.warn("The lease of {id} was lost to another executor before it began", { id: attempt.id, ...attempt.traced });
  attempt.end("lost", "the lease was lost before it began");
  return STOPPED;
}

function findHandler(attempt: Attempt, parts: AttemptParts): null {
  attempt.handler = handlerFor(parts.handlers, attempt.type);
  return null;
}

/** Whether the executor that held it had called its code: a suspect that has to be alone is charged for that. */
async function askWhetherBegun(attempt: Attempt, { broker }: AttemptParts): Promise<null> {
  attempt.ranAlone = await hadBegunAlone(attempt, broker);
  return null;
}

/** Whether it has crashed too often, or executors have died over it so that it must begin anew as a suspect. */
function judgeDeaths(attempt: Attempt, { policy, slots }: AttemptParts): Ending | null {
  const { deliveries } = attempt.delivery;
  const { options } = messageOf(attempt);
  if (deliveries === 1 && options.crashes === undefined) return null;
  const known = chargesIn(options);
  const { ranAlone } = attempt;
  const orphaned: Orphaned = { kind: "orphaned", deaths: deliveries - 1, slots, ranAlone };
  const budget = policy.crashBudgetOf(messageOf(attempt), attempt.options);
  // One that has to be alone, and was only held, has not begun when its executor died.
  if (deliveries === 1 || (!ranAlone && mustBeAlone(attempt))) {
    const reason = conviction(known, budget);
    return reason === null ? null : { kind: "dead", reason, error: null, failedBy: "crash" };
  }
  const charges = chargesAfter(orphaned, known);
  const isAsBefore = charges.company === known.company && charges.crashes === known.crashes;
  return isAsBefore && conviction(charges, budget) === null ? null : orphaned;
}

function setPausedAside(attempt: Attempt, { broker }: AttemptParts): Ending | null {
  return broker.isTypePaused(attempt.type) ? PARKED : null;
}

function refuseLate(attempt: Attempt, { policy, broker }: AttemptParts): Ending | null {
  const late = policy.deadlinePassed(messageOf(attempt), broker);
  return late === null ? null : { kind: "dead", reason: late, error: null, failedBy: "timeout" };
}

async function refuseUnknownType({ type, message, scope }: Attempt, { handlers, left }: AttemptParts): Promise<Ending> {
  if (message?.foreign === true && (await left.leaves(type, scope.signal))) return LEFT;
  return { kind: "unknown-type", error: unknownTypeError(type, handlers.types()) };
}

/** Only inline attempts die together with the executor; whoever may not begin beside them goes back. */
function findPlace(attempt: Attempt, { company }: AttemptParts): Ending | null {
  if (attempt.handler?.isInline !== true) return null;
  attempt.place = company.enter(attempt.company);
  return attempt.place === "turned away" ? TURNED_AWAY : null;
}

async function waitForPlace(attempt: Attempt, parts: AttemptParts): Promise<null> {
  const { id, scope, company } = attempt;
  if (company === null) throw new Error("an attempt that is no suspect waits for its place");
  logger.warn("{id} waits until {company} other tasks run here at the most: processes have died over it", {
    ...{ id, company, ...attempt.traced },
  });
  await parts.company.wait(company, scope.signal);
  attempt.place = "begun";
  return null;
}

async function tellAlone(attempt: Attempt, { broker }: AttemptParts): Promise<null> {
  await noteAlone(attempt, broker);
  return null;
}

function startHandler(attempt: Attempt, parts: AttemptParts): Promise<Ending> {
  const { handler, scope } = attempt;
  if (handler === undefined) throw new Error("an attempt without a handler was started");
  if (parts.spanOf !== null) attempt.span = parts.spanOf(attempt);
  const limits = parts.policy.limitsOf(messageOf(attempt), attempt.options);
  return limits === null ? handler.start(attempt, scope) : startWithin(limits, attempt, handler, parts);
}

async function startWithin(limits: Limits, attempt: Attempt, handler: Handler, parts: AttemptParts): Promise<Ending> {
  const outcome = await withScope(attempt.scope, {}, (scope) => {
    attempt.limit = new TimeLimit(limits, scope, parts.broker);
    return handler.start(attempt, scope);
  });
  if (!outcome.cancelled) return outcome.value;
  if (attempt.limit !== null) attempt.limit.hasStopped = true;
  const error = new Error(attempt.limit?.passed);
  error.name = "TimeoutError";
  delete error.stack;
  const retryInMs = attempt.asksForDelay ? (attempt.toldDelayMs ?? handler.delayAfter(attempt.attempt, error)) : null;
  const ending = failedBy(error);
  if (!attempt.hasBegun) return { ...ending, retryInMs };
  const endedBy = parts.stops.note(attempt, attempt.limit?.kind ?? "timeout");
  return { ...ending, error: { ...ending.error, ended_by: endedBy }, retryInMs };
}

function failedBy(error: unknown): Extract<Ending, { kind: "failed" }> {
  return { kind: "failed", error: toErrorRecord(error), retry: true, retryInMs: null, later: false };
}

/** The steps before have read it. */
function messageOf({ message }: Attempt): TaskMessage {
  if (message === null) throw new Error("an attempt without a message went on");
  return message;
}

/**
 * How it ended counts for nothing where it was stopped; but a handler that had done its work at a drain has done it.
 */
function unlessStopped({ stop, scope }: Attempt, ending: Ending): Ending {
  if (ending.kind === "done") return stop === "cancel" || stop === "lost" ? STOPPED : ending;
  // A process that died meanwhile has stopped it, too.
  if (ending.kind === "failed" || ending.kind === "crashed" || ending.kind === "suspected") {
    return stop !== null || scope.signal.aborted ? STOPPED : ending;
  }
  return ending;
}

/** Hands the ending on: an outcome, a hand-back, or nothing. */
function handOn(attempt: Attempt, ending: Ending, parts: AttemptParts): void {
  if (ending.kind === "left") {
    parts.left.add(attempt.delivery);
    return;
  }
  if (ending.kind === "turned-away") {
    parts.turnAway(attempt);
    return;
  }
  if (ending.kind !== "stopped") {
    parts.ended(outcomeOf(attempt, ending, parts), attempt);
    return;
  }
  const { stop, stopReason } = attempt;
  const endedBy = stop !== null && attempt.hasBegun ? parts.stops.note(attempt, stop) : null;
  switch (stop) {
    case "lost":
      parts.lost(attempt);
      return;
    case "cancel": {
      const reason = endedBy === null ? stopReason : cancelReason(stopReason, endedBy);
      parts.ended(outcomeOf(attempt, { kind: "cancelled", reason }, parts), attempt);
      return;
    }
    default:
      parts.handBack(attempt);
  }
}

/** What a message holds may trip up whoever looks: then that is how its task ended. */
function outcomeOf(attempt: Attempt, ending: Concluded, { policy, broker }: AttemptParts): Outcome {
  try {
    note(attempt, ending, broker);
    const outcome = conclude(attempt, ending, policy, broker);
    if (outcome.kind === "dead" && ending.kind !== "dead") {
      logger.warn("Dead: {id}: {reason}", { id: outcome.id, reason: outcome.reason, ...attempt.traced });
    }
    return outcome;
  } catch (thrown) {
    const error = toErrorRecord(thrown);
    const reason = `how the attempt ended cannot be told: ${messagesOf(error)}`;
    logger.error("Dead: {id}: {reason}", { id: attempt.id, reason, ...attempt.traced });
    attempt.handler = undefined;
    return conclude(attempt, { kind: "dead", reason, error, failedBy: "error" }, policy, broker);
  }
}

/** The last line of the log, as readers of the wire contract know it. */
function note(attempt: Attempt, ending: Concluded, clock: BrokerClock): void {
  const { id, type } = attempt;
  switch (ending.kind) {
    case "failed":
    case "unknown-type": {
      const error = messagesOf(ending.error);
      const text = messageText(attempt.message?.fields, error, { failed: true });
      attempt.log = appendLog(attempt.log ?? "", progressLine(clock.now(), text));
      const about = { attempt: attempt.attempt, id, type, error, ...attempt.traced };
      logger.warn("Attempt {attempt} of {id} ({type}) failed: {error}", about);
      return;
    }
    case "done":
      if (ending.omitted === null) return;
      logger.warn("{id} ({type}) is done, but {omitted}", { id, type, omitted: ending.omitted, ...attempt.traced });
      return;
    case "cancelled": {
      const last = attempt.lastMessage || messageText(attempt.message?.fields, "stopped");
      attempt.log = appendLog(attempt.log ?? "", progressLine(clock.now(), `${last} [Canceled]`));
      return;
    }
    case "crashed":
    case "suspected":
    case "orphaned":
      logger.warn("Attempt {attempt} of {id} ({type}): {error}", {
        ...{ attempt: attempt.attempt, id, type },
        ...{ error: errorOf(ending).message, ...attempt.traced },
      });
      return;
    case "dead":
      logger.warn("Dead: {id}: {reason}", {
        ...{ id: id || attempt.delivery.handle, reason: ending.reason, ...attempt.traced },
      });
      return;
    case "parked":
      return;
  }
}

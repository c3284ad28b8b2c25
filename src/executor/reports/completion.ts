/**
 * Gathers outcomes and has the broker record them: one batch at a time, whatever came in while the last one was on its
 * way. An outcome is kept until the broker has answered; while the broker is away the intake is told to wait: by how
 * many there are, and by how large they are together.
 */
import { getLogger } from "@logtape/logtape";
import { untilAvailable } from "../../broker/availability.ts";
import type { Broker, CompletionResult, Delivery, Outcome } from "../../broker/broker.ts";
import type { FollowUp } from "../../broker/contract/follow-up.ts";
import { type CancelScope, Latch, moveOnAfter, withNursery } from "../../concurrency/index.ts";
import type { SharedTurn } from "../intake/shared-turn.ts";
import type { Tally } from "../status/tally.ts";
import type { TaskLogs } from "./task-logs.ts";

const logger = getLogger(["taskexe", "executor"]);

/** How many outcomes go in one call. */
const BATCH = 500;
/** How many batches may be on their way: while Redis works on one, the next is gathered and sent. */
const IN_FLIGHT = 4;
/** How long the texts of all that wait may be before the intake is held back, in characters. */
const MOST_LENGTH = 64_000_000;
/** With how long texts a batch is full, in characters. */
const BATCH_LENGTH = 16_000_000;
/** With no room left: after how long without a record nothing goes on any more, in ms. */
const STALLED_MS = 2_000;

export interface CompletionParts {
  readonly broker: Broker;
  readonly tally: Tally;
  readonly turn: SharedTurn;
  /** Written before the end of their task, so that whoever sees the end can read all of them. */
  readonly logs: TaskLogs;
  /** What follows the dead end of a task whose own end cannot be recorded; undefined: nothing does. */
  readonly followUpOfDead: (outcome: Outcome) => FollowUp | undefined;
  /** Told of each retry that was recorded, in how many ms it is due. */
  readonly retriesIn: (delayMs: number) => void;
}

export class Completion {
  readonly #broker: Broker;
  readonly #tally: Tally;
  /** How many outcomes may wait before the intake is held back. */
  limit: number;
  readonly #mostLength: number;
  readonly #turn: SharedTurn;
  readonly #logs: TaskLogs;
  readonly #retriesIn: (delayMs: number) => void;
  readonly #followUpOfDead: CompletionParts["followUpOfDead"];
  #queue: Outcome[] = [];
  /** Of all that wait, in characters. */
  #length = 0;
  /** Those that are here in the place of others, which were refused. */
  readonly #buried = new WeakSet<Outcome>();
  /** A few batches; a list, since a Set that grows anew keeps what was in its old table until a full collection. */
  #flushing: (readonly Outcome[])[] = [];
  #wake = new Latch();
  #room = new Latch();
  #idle = new Latch();
  #answered = new Latch();
  /** Since when each batch could not be recorded, on the monotonic clock, and when one was recorded last. */
  readonly #failing = new Map<readonly Outcome[], number>();
  #recordedAt = 0;

  /**
   * @param limit - how many outcomes may wait before the intake is held back.
   * @param mostLength - how long their texts may be together, in characters.
   */
  constructor(parts: CompletionParts, limit: number, mostLength = MOST_LENGTH) {
    this.#broker = parts.broker;
    this.#tally = parts.tally;
    this.limit = limit;
    this.#mostLength = mostLength;
    this.#turn = parts.turn;
    this.#logs = parts.logs;
    this.#retriesIn = parts.retriesIn;
    this.#followUpOfDead = parts.followUpOfDead;
  }

  /** How many outcomes are not recorded yet. */
  get waiting(): number {
    let count = this.#queue.length;
    for (const batch of this.#flushing) count += batch.length;
    return count;
  }

  /** Why tasks that have ended are not recorded just now; null where they are. */
  blockage(): string | null {
    const now = performance.now();
    if (this.#isFull && now - this.#recordedAt > STALLED_MS) {
      return `${this.waiting} outcomes wait to be recorded: no more is claimed`;
    }
    const since = Math.min(...this.#failing.values());
    if (since === Number.POSITIVE_INFINITY || this.#recordedAt > since) return null;
    const seconds = Math.round((now - since) / 1000);
    return `${this.waiting} outcomes could not be recorded for ${seconds} s`;
  }

  /** The deliveries whose attempt has ended and whose lease must be kept until the broker has answered. */
  *deliveries(): Iterable<Delivery> {
    for (const batch of this.#flushing) for (const { delivery } of batch) yield delivery;
    for (const { delivery } of this.#queue) yield delivery;
  }

  add(outcome: Outcome): void {
    this.#queue.push(outcome);
    this.#length += lengthOf(outcome);
    this.#wake.set();
  }

  get #isFull(): boolean {
    return this.waiting >= this.limit || this.#length >= this.#mostLength;
  }

  /** Waits until there is room for more. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#isFull) {
      if (this.#room.isSet) this.#room = new Latch();
      await this.#room.wait(signal);
    }
  }

  /** Waits until every outcome has been answered, as long as the limit. */
  async finish(scope: CancelScope, limitMs: number): Promise<void> {
    await moveOnAfter(scope, limitMs, ({ signal }) => this.#drained(signal));
    const count = this.waiting;
    if (count === 0) return;
    logger.error("{count} outcome(s) could not be recorded: those tasks will run again elsewhere", { count });
  }

  async #drained(signal: AbortSignal): Promise<void> {
    while (this.waiting > 0) {
      if (this.#idle.isSet) this.#idle = new Latch();
      await this.#idle.wait(signal);
    }
  }

  /** Records in the given scope until it is cancelled. */
  async run(scope: CancelScope): Promise<void> {
    await withNursery(
      scope,
      async (batches) => {
        const { signal } = batches.scope;
        for (;;) {
          await this.#nextTurn(signal);
          const batch = this.#take();
          this.#flushing.push(batch);
          batches.startSoon(() => this.#flush(batch, signal), { name: "record" });
        }
      },
      { name: "completion" },
    );
  }

  #take(): Outcome[] {
    let length = 0;
    const end = this.#queue.findIndex((outcome, index) => {
      length += lengthOf(outcome);
      return index === BATCH || (index > 0 && length > BATCH_LENGTH);
    });
    return this.#queue.splice(0, end === -1 ? this.#queue.length : end);
  }

  /** Waits until there is something to record, and a little, so that tasks which end together go together. */
  async #nextTurn(signal: AbortSignal): Promise<void> {
    if (this.#queue.length === 0) {
      this.#wake = new Latch();
      await this.#wake.wait(signal);
    }
    await this.#turn.gather();
    while (this.#flushing.length >= IN_FLIGHT) {
      if (this.#answered.isSet) this.#answered = new Latch();
      await this.#answered.wait(signal);
    }
  }

  async #flush(batch: readonly Outcome[], signal: AbortSignal): Promise<void> {
    const record = async (): Promise<CompletionResult[]> => {
      if (this.#logs.some) await this.#logs.flush();
      return this.#broker.complete(batch);
    };
    const results = await untilAvailable(record, signal, () => {
      if (!this.#failing.has(batch)) this.#failing.set(batch, performance.now());
    });
    this.#flushing = this.#flushing.filter((other) => other !== batch);
    this.#failing.delete(batch);
    this.#recordedAt = performance.now();
    this.#settle(batch, results);
    this.#answered.set();
  }

  #settle(batch: readonly Outcome[], results: readonly CompletionResult[]): void {
    for (const [index, outcome] of batch.entries()) {
      this.#length -= lengthOf(outcome);
      const result = results[index] ?? "lost";
      if (typeof result === "object") {
        this.#refused(outcome, result.refused);
        continue;
      }
      this.#tally.count(outcome, result);
      if (outcome.kind === "retry" && result === "recorded") this.#retriesIn(outcome.delayMs);
      if (result === "lost") {
        logger.warn("The completion of {id} was refused: its lease had gone to another executor", { id: outcome.id });
      }
    }
    if (!this.#isFull) this.#room.set();
    if (this.waiting === 0) this.#idle.set();
  }

  /**
   * The broker takes others and not this one: the task is to be dead then, with the reason. Where not even that can be
   * written, it stays pending, and comes again when its lease is over.
   */
  #refused(outcome: Outcome, reason: string): void {
    const { id, kind } = outcome;
    if (this.#buried.has(outcome)) {
      logger.error("That {id} is dead could not be recorded either: {reason}; it comes again", { id, reason });
      return;
    }
    logger.error("The end of {id} ({kind}) could not be recorded: {reason}", { id, kind, reason });
    const alone = buried(outcome, `its end (${kind}) could not be recorded: ${reason}`);
    // What follows may itself be what was refused of a dead end.
    const followUp = kind === "dead" ? undefined : this.#followUpOfDead(outcome);
    const dead = followUp === undefined ? alone : { ...alone, followUp };
    this.#buried.add(dead);
    this.add(dead);
  }
}

/** Of the texts of an outcome that may be long, in characters: what it came with, and what it has to tell. */
function lengthOf(outcome: Outcome): number {
  const { delivery, told } = outcome;
  const own = outcome.kind === "done" ? outcome.result : outcome.kind === "retry" ? outcome.message : null;
  return (delivery.raw?.length ?? 0) + (told?.log.length ?? 0) + (own?.length ?? 0);
}

/**
 * The dead end of a task whose own end cannot be recorded: of that nothing is kept but what is surely no part of it.
 */
function buried(outcome: Outcome, reason: string): Outcome {
  const { delivery, id, type, recorded, uniqueKey } = outcome;
  const error = outcome.kind === "retry" || outcome.kind === "dead" ? outcome.error : null;
  const [attempt, crashes] = [outcome.attempt, outcome.crashes].map((n) => (Number.isSafeInteger(n) && n >= 0 ? n : 1));
  return {
    kind: "dead",
    ...{ delivery, id, type, recorded, uniqueKey, error, reason },
    failedBy: outcome.kind === "done" ? "result" : (outcome.failedBy ?? "error"),
    // The errors before this one stay, and keep their numbers.
    ...("failure" in outcome && outcome.failure ? { failure: outcome.failure } : {}),
    ...{ attempt: attempt ?? 1, crashes: crashes ?? 0, startedAt: null, retentionMs: 0, told: null },
  };
}

/** What holds for a task where several may say it: its message, then its handler, then the configuration. */

import type { Broker, Outcome } from "../../broker/broker.ts";
import { type FollowUp, followUpOf } from "../../broker/contract/follow-up.ts";
import type { HandlerOptions } from "../../handlers/handler.ts";
import type { TaskMessage } from "../../task/message/message-schema.ts";
import { backoffDelay } from "../../task/options/retry.ts";
import type { Backoff } from "../../task/options/run-options.ts";
import type { EndedState } from "../../task/state.ts";
import {
  DEFAULT_ATTEMPTS,
  DEFAULT_BACKOFF,
  DEFAULT_CRASH_BUDGET,
  DEFAULT_DEAD_RETENTION_MS,
  DEFAULT_FOREIGN_ATTEMPTS,
  DEFAULT_RETENTION_MS,
  DEFAULT_RETRY_LATER_LIMIT,
  type ExecutorOptions,
} from "../options.ts";

/** The broker's clock, Unix ms: asked only where a time matters, since asking costs a short task a part of its time. */
export type BrokerClock = Pick<Broker, "now">;

/** The option that names what follows an end. */
const FOLLOWERS = { done: "onDone", dead: "onDead", cancelled: "onCancelled" } as const;

/** How long an attempt may take, from when its code is called, and until when; null: as long as it likes. */
export interface Limits {
  readonly timeoutMs: number | null;
  /** Unix ms on the broker's clock. */
  readonly deadlineAt: number | null;
}

export class AttemptPolicy {
  readonly deadRetentionMs: number;
  /** How often in a row a handler may ask for its task to be tried later. */
  readonly retryLaterLimit: number;
  readonly #crashBudget: number;
  readonly #attempts: number;
  /** Producers of the wire contract count retries themselves. */
  readonly #foreignAttempts: number;
  readonly #backoff: Backoff;
  readonly #timeoutMs: number;
  readonly #retentionMs: number;
  readonly #followers: Readonly<Record<EndedState, string | null>>;

  constructor(options: ExecutorOptions) {
    this.#crashBudget = options.crashBudget ?? DEFAULT_CRASH_BUDGET;
    this.deadRetentionMs = options.deadRetentionMs ?? DEFAULT_DEAD_RETENTION_MS;
    this.retryLaterLimit = options.retryLaterLimit ?? DEFAULT_RETRY_LATER_LIMIT;
    this.#attempts = options.attempts ?? DEFAULT_ATTEMPTS;
    this.#foreignAttempts = options.foreignAttempts ?? DEFAULT_FOREIGN_ATTEMPTS;
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.#timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
    this.#retentionMs = options.retentionMs ?? DEFAULT_RETENTION_MS;
    const { onDone = null, onDead = null, onCancelled = null } = options;
    this.#followers = { done: onDone, dead: onDead, cancelled: onCancelled };
  }

  attemptsOf(message: TaskMessage, options: HandlerOptions): number {
    const { foreign, options: said } = message;
    return said.attempts ?? options.attempts ?? (foreign ? this.#foreignAttempts : this.#attempts);
  }

  crashBudgetOf(message: TaskMessage, options: HandlerOptions): number {
    return message.options.crash_budget ?? options.crashBudget ?? this.#crashBudget;
  }

  /** How long to wait after a failed attempt, in ms, where the handler does not say. */
  delayAfter(attempt: number, message: TaskMessage, options: HandlerOptions): number {
    return backoffDelay(message.options.backoff ?? options.backoff ?? this.#backoff, attempt);
  }

  retentionOf(message: TaskMessage, options: HandlerOptions): number {
    return message.options.retention_ms ?? options.retentionMs ?? this.#retentionMs;
  }

  /**
   * What follows this end; undefined: nothing does, as behind whatever follows another task.
   *
   * @param message - null: it cannot be read.
   */
  followUp(
    end: EndedState,
    message: TaskMessage | null,
    options: HandlerOptions,
    { id, delivery }: Pick<Outcome, "id" | "delivery">,
  ): FollowUp | undefined {
    if (message?.options.follows !== undefined) return undefined;
    const type = message?.options[`on_${end}`] ?? options[FOLLOWERS[end]] ?? this.#followers[end];
    return type === null ? undefined : followUpOf(type, this.#retentionMs, { id, end, what: delivery.handle });
  }

  /** Why the task must not begin any more, or null. */
  deadlinePassed({ options: { deadline_at: deadline } }: TaskMessage, clock: BrokerClock): string | null {
    if (deadline === undefined || clock.now() < deadline) return null;
    return `its deadline, ${new Date(deadline).toISOString()}, passed before the attempt could begin`;
  }

  /** How long this attempt may take; null: no limit at all. */
  limitsOf({ options: { timeout_ms, deadline_at } }: TaskMessage, options: HandlerOptions): Limits | null {
    const timeout = timeout_ms ?? options.timeoutMs ?? this.#timeoutMs;
    const timeoutMs = Number.isFinite(timeout) ? timeout : null;
    if (timeoutMs === null && deadline_at === undefined) return null;
    return { timeoutMs, deadlineAt: deadline_at ?? null };
  }
}

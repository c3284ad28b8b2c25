/** What holds for a task where several may say it: its message, then its handler, then the configuration. */
import type { TaskDefinition } from "../handlers/define-task.ts";
import type { Backoff, TaskMessage } from "../task/message.ts";
import {
  DEFAULT_ATTEMPTS,
  DEFAULT_BACKOFF,
  DEFAULT_CRASH_BUDGET,
  DEFAULT_DEAD_RETENTION_MS,
  DEFAULT_RETENTION_MS,
  type ExecutorOptions,
} from "./options.ts";

export class AttemptPolicy {
  readonly crashBudget: number;
  readonly deadRetentionMs: number;
  readonly #attempts: number;
  readonly #backoff: Backoff;
  readonly #retentionMs: number;

  constructor(options: ExecutorOptions) {
    this.crashBudget = options.crashBudget ?? DEFAULT_CRASH_BUDGET;
    this.deadRetentionMs = options.deadRetentionMs ?? DEFAULT_DEAD_RETENTION_MS;
    this.#attempts = options.attempts ?? DEFAULT_ATTEMPTS;
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.#retentionMs = options.retentionMs ?? DEFAULT_RETENTION_MS;
  }

  attemptsOf(message: TaskMessage, definition: TaskDefinition | undefined): number {
    return message.options.attempts ?? definition?.attempts ?? this.#attempts;
  }

  backoffOf(message: TaskMessage, definition: TaskDefinition | undefined): Backoff {
    return message.options.backoff ?? definition?.backoff ?? this.#backoff;
  }

  retentionOf(message: TaskMessage, definition: TaskDefinition | undefined): number {
    return message.options.retention_ms ?? definition?.retentionMs ?? this.#retentionMs;
  }

  /** How long this attempt may take, in ms: its timeout, or what is left until the task's deadline; null: no limit. */
  timeoutOf(message: TaskMessage, definition: TaskDefinition, now: number): number | null {
    const timeout = message.options.timeout_ms ?? definition.timeoutMs ?? Number.POSITIVE_INFINITY;
    const left = (message.options.deadline_at ?? Number.POSITIVE_INFINITY) - now;
    const limit = Math.min(timeout, Math.max(left, 0));
    return Number.isFinite(limit) ? limit : null;
  }
}

/**
 * The time that one attempt has: until the deadline of its task, whatever becomes of it, and the timeout from when its
 * code is called. The one that is over first cancels the scope of the attempt.
 */
import type { CancelScope } from "../../concurrency/index.ts";
import type { BrokerClock, Limits } from "./policy.ts";

export class TimeLimit {
  /** Which of the two stops it, as things are. */
  kind: "timeout" | "deadline" = "deadline";
  /** Whether it has stopped the attempt. */
  hasStopped = false;
  readonly #limits: Limits;
  readonly #scope: CancelScope;
  readonly #clock: BrokerClock;
  /** When its time is over, on the monotonic clock, in ms. */
  #overAt = Number.POSITIVE_INFINITY;

  /** Arms the deadline. @param scope - of the attempt alone. */
  constructor(limits: Limits, scope: CancelScope, clock: BrokerClock) {
    this.#limits = limits;
    this.#scope = scope;
    this.#clock = clock;
    if (limits.deadlineAt !== null) this.#expireIn(this.#untilDeadline());
  }

  /** The code is called: arms the timeout, where the deadline does not come first. */
  begun(): void {
    const { timeoutMs } = this.#limits;
    if (timeoutMs === null || timeoutMs > this.#untilDeadline()) return;
    this.kind = "timeout";
    this.#expireIn(timeoutMs);
  }

  /** How long its time has been over, in ms. */
  get overMs(): number {
    return Math.max(0, performance.now() - this.#overAt);
  }

  #expireIn(ms: number): void {
    this.#overAt = performance.now() + ms;
    this.#scope.expireIn(ms);
  }

  /** What the failure of an attempt says that has taken longer. */
  get passed(): string {
    const { timeoutMs, deadlineAt } = this.#limits;
    if (this.kind === "timeout") return `the attempt took longer than its ${timeoutMs} ms and was stopped`;
    return `stopped at its deadline, ${new Date(deadlineAt ?? 0).toISOString()}`;
  }

  /** In ms, not negative. */
  #untilDeadline(): number {
    const { deadlineAt } = this.#limits;
    return deadlineAt === null ? Number.POSITIVE_INFINITY : Math.max(deadlineAt - this.#clock.now(), 0);
  }
}

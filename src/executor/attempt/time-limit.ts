/**
 * The time that one attempt has: until the deadline of its task, whatever becomes of it, and the timeout from when its
 * code is called. The one that is over first cancels the scope of the attempt.
 */
import type { CancelScope } from "../../concurrency/index.ts";
import type { BrokerClock, Limits } from "./policy.ts";

export class TimeLimit {
  /** Which of the two stops it, as things are. */
  kind: "timeout" | "deadline" = "deadline";
  readonly #limits: Limits;
  readonly #scope: CancelScope;
  readonly #clock: BrokerClock;

  /** Arms the deadline. @param scope - of the attempt alone. */
  constructor(limits: Limits, scope: CancelScope, clock: BrokerClock) {
    this.#limits = limits;
    this.#scope = scope;
    this.#clock = clock;
    if (limits.deadlineAt !== null) scope.expireIn(this.#untilDeadline());
  }

  /** The code is called: arms the timeout, where the deadline does not come first. */
  begun(): void {
    const { timeoutMs } = this.#limits;
    if (timeoutMs === null || timeoutMs > this.#untilDeadline()) return;
    this.kind = "timeout";
    this.#scope.expireIn(timeoutMs);
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

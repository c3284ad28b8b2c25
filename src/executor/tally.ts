/** What an executor has done since it booted. Each figure is counted where the broker has confirmed it, once. */
import type { CompletionResult, Outcome } from "../broker/broker.ts";

export class Tally {
  done = 0;
  /** Dead and cancelled: everything that ended without being done, as the wire contract counts it. */
  failed = 0;
  cancelled = 0;
  retried = 0;
  /** Attempts whose lease had gone to another executor: their completion was refused, or they were stopped before. */
  lost = 0;

  /** How many attempts have ended. */
  get attempts(): number {
    return this.done + this.failed + this.retried + this.lost;
  }

  countLost(): void {
    this.lost++;
  }

  count(outcome: Outcome, result: CompletionResult): void {
    if (result === "lost") {
      this.countLost();
      return;
    }
    switch (outcome.kind) {
      case "done":
        this.done++;
        break;
      case "dead":
        this.failed++;
        break;
      case "cancelled":
        this.failed++;
        this.cancelled++;
        break;
      case "retry":
        this.retried++;
        break;
      case "parked":
        break;
    }
  }
}

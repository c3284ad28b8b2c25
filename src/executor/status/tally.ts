/** What an executor has done since it booted. Each figure is counted where the broker has confirmed it, once. */
import type { CompletionResult, Outcome } from "../../broker/broker.ts";
import { Stops } from "./stops.ts";

export class Tally {
  readonly stops = new Stops();
  done = 0;
  dead = 0;
  cancelled = 0;
  /** Attempts that failed and are followed by another one. */
  retried = 0;
  /** Attempts whose lease had gone to another executor: their completion was refused, or they were stopped before. */
  lost = 0;

  /** How many attempts have ended. */
  get attempts(): number {
    return this.done + this.dead + this.cancelled + this.retried + this.lost;
  }

  /** Attempts that failed: their tasks are tried again, or dead. */
  get failed(): number {
    return this.retried + this.dead;
  }

  /** Tasks that ended without being done: `failed` as the wire contract counts it. */
  get notDone(): number {
    return this.dead + this.cancelled;
  }

  countLost(): void {
    this.lost++;
  }

  count(outcome: Outcome, result: Exclude<CompletionResult, object>): void {
    if (result === "lost") {
      this.countLost();
      return;
    }
    switch (outcome.kind) {
      case "done":
        this.done++;
        break;
      case "dead":
        this.dead++;
        break;
      case "cancelled":
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

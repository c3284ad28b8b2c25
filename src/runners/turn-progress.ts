/**
 * Progress that runners tell in one turn: told once the turn is over, or their run has ended. Every message counts, as
 * the log of messages has them all; what comes without one is one value.
 */
import type { FromRunner } from "../runner-protocol/messages.ts";
import { takesProgress } from "../task/record/progress.ts";
import type { Run } from "./run.ts";

type Progress = Pick<Extract<FromRunner, { kind: "progress" }>, "value" | "message">;

/** A record keeps 3 000 characters of messages, each with its clock: no more than so many. */
const MOST_MESSAGES = 300;

export class TurnProgress {
  readonly #told = new Map<Run, Progress[]>();

  note(run: Run, { value, message }: Progress): void {
    const told = this.#told.get(run);
    const last = told?.at(-1);
    if (told === undefined || last === undefined) {
      this.#told.set(run, [{ value, message }]);
      return;
    }
    if (message === "" && last.message === "") told.splice(-1, 1, { value: valueAfter(last.value, value), message });
    else told.push({ value, message });
    // Of the oldest ones the value stays that they have led to.
    const [oldest, next] = told;
    if (told.length > MOST_MESSAGES && oldest !== undefined && next !== undefined) {
      told.splice(0, 2, { value: valueAfter(oldest.value, next.value), message: "" });
    }
  }

  /** Tells the attempts. */
  tell(): void {
    if (this.#told.size === 0) return;
    for (const [run, told] of this.#told) {
      for (const { value, message } of told) if (!run.hasEnded) run.attempt.tellProgress(value, message);
    }
    this.#told.clear();
  }
}

function valueAfter(present: number, next: number): number {
  return takesProgress(present, next) ? next : present;
}

/**
 * Progress that runners tell in one turn: told once the turn is over, or their run has ended. Every message counts, as
 * the log of messages has them all; of what comes without one the last counts.
 */
import type { FromRunner } from "../runner-protocol/messages.ts";
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
    // Nothing is taken after a failure but the end.
    if (last.value < 0 && value < 1) return;
    if (message === "" && last.message === "") told.pop();
    if (told.length >= MOST_MESSAGES) told.shift();
    told.push({ value, message });
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

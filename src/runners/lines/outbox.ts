/**
 * What is said to one runner: lines, gathered for a turn of the event loop. Of many runs the first part is written
 * before the turn is over: the runner works on it while the others are got ready here.
 */
import { afterTurn } from "../../concurrency/turn.ts";
import type { ChildPipes } from "../../runtime/index.ts";

export class Outbox {
  readonly #pipes: Pick<ChildPipes, "write">;
  readonly #runsAtOnce: number;
  readonly #turned = (): void => {
    this.#isArmed = false;
    this.#write();
  };
  #lines = "";
  #runs = 0;
  #isArmed = false;

  /** @param runsAtOnce - so many runs wait for nothing. */
  constructor(pipes: Pick<ChildPipes, "write">, runsAtOnce: number) {
    this.#pipes = pipes;
    this.#runsAtOnce = runsAtOnce;
  }

  /** A line of the protocol, its line feed included. */
  say(line: string): void {
    this.#lines += line;
    if (this.#isArmed) return;
    this.#isArmed = true;
    afterTurn(this.#turned);
  }

  /** The line of a run. */
  sayRun(line: string): void {
    this.say(line);
    this.#runs++;
    if (this.#runs >= this.#runsAtOnce) this.#write();
  }

  #write(): void {
    const lines = this.#lines;
    this.#lines = "";
    this.#runs = 0;
    if (lines !== "") this.#pipes.write(lines);
  }
}

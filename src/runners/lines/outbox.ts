/**
 * What is said to one runner: lines, gathered for a turn of the event loop. Of many runs the first part is written
 * before the turn is over: the runner works on it while the others are got ready here. One that runs one at a time, and
 * has nothing to do, is told of its run at once; what is handed ahead to it is no haste.
 */
import { afterTurn } from "../../concurrency/turn.ts";
import type { ChildPipes } from "../../runtime/index.ts";

/** So many runs are written before the turn is over, whoever reads them. */
const MANY = 50;

export class Outbox {
  readonly #pipes: Pick<ChildPipes, "write">;
  /** So many runs wait for no more. */
  readonly #runsAtOnce: number;
  readonly #isOneByOne: boolean;
  readonly #turned = (): void => {
    this.#isArmed = false;
    this.#write();
  };
  #lines = "";
  #runs = 0;
  #isArmed = false;

  /** @param concurrency - how many runs the runner has at once. */
  constructor(pipes: Pick<ChildPipes, "write">, concurrency: number) {
    this.#pipes = pipes;
    this.#runsAtOnce = concurrency === 1 ? MANY : Math.ceil(concurrency / 2);
    this.#isOneByOne = concurrency === 1;
  }

  /** A line of the protocol, its line feed included. */
  say(line: string): void {
    this.#lines += line;
    if (this.#isArmed) return;
    this.#isArmed = true;
    afterTurn(this.#turned);
  }

  /** The line of a run. @param isFirst - the runner has no other. */
  sayRun(line: string, isFirst: boolean): void {
    this.say(line);
    this.#runs++;
    if ((isFirst && this.#isOneByOne) || this.#runs >= this.#runsAtOnce) this.#write();
  }

  #write(): void {
    const lines = this.#lines;
    this.#lines = "";
    this.#runs = 0;
    if (lines !== "") this.#pipes.write(lines);
  }
}

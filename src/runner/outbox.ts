/**
 * What the runner says: lines, gathered for a turn of the event loop and written at once. What must be known before
 * anything else happens goes out with `flush`.
 */
import { afterTurn } from "../concurrency/turn.ts";
import { encodeFromRunner, MessageTooLongError } from "../runner-protocol/encode.ts";
import type { FromRunner } from "../runner-protocol/messages.ts";
import type { ParentPipes } from "../runtime/process/parent-pipes.ts";

export class Outbox {
  readonly #pipes: Pick<ParentPipes, "write">;
  readonly #flush = () => this.flush();
  #lines = "";
  #isArmed = false;
  /** How many writes the kernel has not taken whole, and the end of the last of them. */
  #pending = 0;
  #last: Promise<void> | null = null;

  constructor(pipes: Pick<ParentPipes, "write">) {
    this.#pipes = pipes;
  }

  /** Null once the kernel has all that was flushed; else a promise of that. */
  get writing(): Promise<void> | null {
    return this.#pending === 0 ? null : this.#last;
  }

  /** @throws MessageTooLongError; TypeError for what is no JSON. */
  say(message: FromRunner): void {
    this.line(encodeFromRunner(message));
  }

  /** The same; in the place of what is too long for a line, `instead` is said. */
  sayOr(message: FromRunner, instead: (reason: string) => FromRunner): void {
    try {
      this.say(message);
    } catch (error) {
      if (!(error instanceof MessageTooLongError)) throw error;
      this.say(instead(error.message));
    }
  }

  /** A message that is a line already, its line feed included. */
  line(line: string): void {
    this.#lines += line;
    if (this.#isArmed) return;
    this.#isArmed = true;
    afterTurn(this.#flush);
  }

  /** Writes what is gathered. */
  flush(): void {
    this.#isArmed = false;
    const lines = this.#lines;
    if (lines === "") return;
    this.#lines = "";
    const writing = this.#pipes.write(lines);
    if (writing !== null) this.#last = this.#count(writing);
  }

  async #count(writing: Promise<void>): Promise<void> {
    this.#pending++;
    await writing;
    this.#pending--;
  }
}

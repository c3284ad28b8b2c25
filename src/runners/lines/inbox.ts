/**
 * What a runner sends, at most so much of it in a turn of the event loop: one that says much holds up nobody else. It
 * is always read: whoever writes to us never waits for anything but our turn.
 */
import { afterTurn } from "../../concurrency/turn.ts";
import type { ChildPipes } from "../../runtime/index.ts";

/** So much of one runner is read in a turn, in bytes. */
const MOST_IN_A_TURN = 256 * 1024;

export class Inbox {
  readonly #pipes: ChildPipes;
  readonly #read: (bytes: Uint8Array) => void;
  readonly #turned: () => void;
  /** What has come and is for a later turn. */
  #waiting: Uint8Array[] = [];
  #left = MOST_IN_A_TURN;
  #turnIsAwaited = false;

  /**
   * @param read - takes the next bytes.
   * @param turned - told once in each turn that follows one in which something came.
   */
  constructor(pipes: ChildPipes, read: (bytes: Uint8Array) => void, turned: () => void) {
    this.#pipes = pipes;
    this.#read = read;
    this.#turned = () => {
      turned();
      this.#nextTurn();
    };
    pipes.onData((bytes) => this.#arrived(bytes));
  }

  #arrived(bytes: Uint8Array): void {
    if (this.#waiting.length > 0 || this.#left <= 0) this.#waiting.push(bytes);
    else this.#readSome(bytes);
    this.#awaitTurn();
  }

  #readSome(bytes: Uint8Array): void {
    const now = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left);
    this.#left -= now.length;
    if (now.length < bytes.length) this.#waiting.unshift(bytes.subarray(now.length));
    if (this.#left <= 0) this.#pipes.pause();
    this.#read(now);
  }

  #awaitTurn(): void {
    if (this.#turnIsAwaited) return;
    this.#turnIsAwaited = true;
    afterTurn(this.#turned);
  }

  #nextTurn(): void {
    this.#turnIsAwaited = false;
    const wasFull = this.#left <= 0;
    this.#left = MOST_IN_A_TURN;
    while (this.#left > 0) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) break;
      this.#readSome(bytes);
    }
    if (this.#left <= 0 || this.#waiting.length > 0) this.#awaitTurn();
    else if (wasFull) this.#pipes.resume();
  }
}

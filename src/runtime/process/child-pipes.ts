/**
 * The two pipes between a child and its parent beside the usual three: the child reads descriptor 3 and writes
 * descriptor 4. One pipe a direction, since a socket for both ways fails on Bun.
 */
import type { Readable, Writable } from "node:stream";
import type { ChildPipes } from "../runtime.ts";

const [TO_CHILD, FROM_CHILD] = [3, 4];

/** @param stdio - of a child that was started with these pipes. */
export function pipesOf(stdio: readonly (Readable | Writable | null | undefined)[]): ChildPipes {
  const [to, from] = [stdio[TO_CHILD], stdio[FROM_CHILD]];
  if (!to || !from || !("write" in to) || !("read" in from)) throw new Error("it has no pipes");
  // A child may end with data on its way (EPIPE, ECONNRESET): how it ended is told by its exit.
  to.on("error", () => {});
  from.on("error", () => {});
  return new StreamPipes(to, from);
}

class StreamPipes implements ChildPipes {
  readonly #to: Writable;
  readonly #from: Readable;

  constructor(to: Writable, from: Readable) {
    this.#to = to;
    this.#from = from;
  }

  write(chunk: string | Uint8Array): void {
    if (this.#to.writable) this.#to.write(chunk);
  }

  get bufferedBytes(): number {
    return this.#to.writableLength;
  }

  end(): void {
    if (this.#to.writable) this.#to.end();
  }

  onData(take: (bytes: Uint8Array) => void): void {
    this.#from.on("data", take);
  }

  onEnd(ended: () => void): void {
    if (this.#from.closed) queueMicrotask(ended);
    else this.#from.once("close", ended);
  }

  onDeaf(deaf: () => void): void {
    this.#to.once("error", deaf);
  }

  pause(): void {
    this.#from.pause();
  }

  resume(): void {
    this.#from.resume();
  }
}

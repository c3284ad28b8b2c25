/** Reads the body of an answer: to its end, or up to a bound; what is beyond it is never read. */
import type { IncomingMessage } from "node:http";
import { abortable } from "../../concurrency/index.ts";

export class AnswerBody {
  readonly #answer: IncomingMessage;
  readonly #most: number;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  /** @param most - so many bytes are read, and no more. */
  constructor(answer: IncomingMessage, most: number) {
    this.#answer = answer;
    this.#most = most;
  }

  /** What has been read. */
  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks).subarray(0, this.#most);
  }

  /** Whether there was more than may be read. */
  get isCut(): boolean {
    return this.#length > this.#most;
  }

  /**
   * Reads it; a connection whose answer was not read to its end is closed.
   *
   * @param signal - an abort ends it.
   * @throws (rejects) where the answer breaks off; the signal's reason.
   */
  async read(signal: AbortSignal): Promise<void> {
    try {
      await abortable(this.#toTheEnd(), signal);
    } finally {
      if (!this.#answer.complete || this.isCut) this.#answer.destroy();
    }
  }

  #toTheEnd(): Promise<void> {
    const answer = this.#answer;
    return new Promise((resolve, reject) => {
      const breakOff = (): void => reject(new Error(`the answer broke off after ${this.#length} bytes of its body`));
      answer.on("data", (chunk: Uint8Array) => {
        if (this.isCut) return;
        this.#length += chunk.byteLength;
        this.#chunks.push(chunk);
        if (this.isCut) resolve();
      });
      answer.on("end", () => (answer.complete ? resolve() : breakOff()));
      answer.on("error", breakOff);
      answer.on("close", breakOff);
    });
  }
}

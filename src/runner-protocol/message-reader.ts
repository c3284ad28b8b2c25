/**
 * The bytes of one side -> its messages, in their order. What is no message is a fault and costs nothing else; the
 * tenth ends the connection. Kinds that are not known here are passed by.
 */
import { decode, type MessageOf, type Side } from "./decode.ts";
import type { Faults } from "./faults.ts";
import { MAX_LINE_FROM_RUNNER, MAX_LINE_TO_RUNNER } from "./limits.ts";
import { type Line, LineSplitter } from "./line-splitter.ts";

const LIMITS: Readonly<Record<Side, number>> = { toRunner: MAX_LINE_TO_RUNNER, fromRunner: MAX_LINE_FROM_RUNNER };

export class MessageReader<S extends Side> {
  readonly #side: S;
  readonly #faults: Faults;
  readonly #lines: LineSplitter;

  constructor(side: S, faults: Faults) {
    this.#side = side;
    this.#faults = faults;
    this.#lines = new LineSplitter(LIMITS[side]);
  }

  /** The messages that these bytes complete. @throws TooManyFaultsError with the tenth fault. */
  *read(bytes: Uint8Array): Generator<MessageOf<S>, void> {
    for (const line of this.#lines.split(bytes)) {
      const message = this.#messageOf(line);
      if (message !== null) yield message;
    }
  }

  /** To be called at the end of the stream. @throws TooManyFaultsError with the tenth fault. */
  end(): void {
    const line = this.#lines.end();
    if (line !== null) this.#messageOf(line);
  }

  #messageOf(line: Line): MessageOf<S> | null {
    const decoded = "fault" in line ? line : decode(this.#side, line.text);
    if ("message" in decoded) return decoded.message;
    if ("fault" in decoded) this.#faults.add(decoded.fault);
    return null;
  }
}

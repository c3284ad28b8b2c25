/**
 * Bytes -> lines of text. A line that is too long, or is no UTF-8, is told as such and costs nothing but itself: of a
 * long one no more than the bound is held. What has no line feed yet waits for the next bytes.
 */

/** A line, or why it is none. */
export type Line = { readonly text: string } | { readonly fault: string };

const LINE_FEED = 0x0a;
/** Each call begins anew, also after one that has thrown. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class LineSplitter {
  readonly #limit: number;
  /** The beginning of a line whose end has not come. */
  #parts: Uint8Array[] = [];
  #length = 0;
  /** The rest of a line that is too long goes by. */
  #skipping = false;

  /** @param limit - the longest line, in bytes, its line feed included. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The lines that these bytes complete; empty ones count for nothing. The bytes are not held on to. */
  split(bytes: Uint8Array): Line[] {
    const lines: Line[] = [];
    let from = this.#length === 0 && !this.#skipping ? this.#takeWhole(bytes, lines) : 0;
    for (let end = bytes.indexOf(LINE_FEED, from); end !== -1; end = bytes.indexOf(LINE_FEED, from)) {
      const line = this.#complete(bytes.subarray(from, end));
      if (line !== null) lines.push(line);
      from = end + 1;
    }
    const tooLong = this.#keep(bytes.subarray(from));
    if (tooLong !== null) lines.push(tooLong);
    return lines;
  }

  /** Many short lines at once: decoded together, which is cheaper. @returns up to where they are taken. */
  #takeWhole(bytes: Uint8Array, lines: Line[]): number {
    const end = bytes.lastIndexOf(LINE_FEED);
    if (end < 0 || bytes.length > this.#limit) return 0;
    const whole = textOf(bytes.subarray(0, end));
    if ("fault" in whole) return 0;
    for (const text of whole.text.split("\n")) if (text !== "") lines.push({ text });
    return end + 1;
  }

  /** At the end of the stream: what was cut off in the midst of a line. */
  end(): Line | null {
    const length = this.#length;
    this.#parts = [];
    this.#length = 0;
    return length === 0 ? null : { fault: `the stream ended within a line, after ${length} bytes of it` };
  }

  #complete(last: Uint8Array): Line | null {
    const [parts, length] = [this.#parts, this.#length + last.length];
    this.#parts = [];
    this.#length = 0;
    if (this.#skipping) {
      // It was told when it became too long.
      this.#skipping = false;
      return null;
    }
    if (length === 0) return null;
    if (length + 1 > this.#limit) return this.#tooLong();
    return textOf(parts.length === 0 ? last : Buffer.concat([...parts, last], length));
  }

  #keep(rest: Uint8Array): Line | null {
    if (this.#skipping || rest.length === 0) return null;
    this.#length += rest.length;
    if (this.#length + 1 > this.#limit) {
      this.#skipping = true;
      this.#parts = [];
      this.#length = 0;
      return this.#tooLong();
    }
    // A copy: whoever read the bytes may use their memory again.
    this.#parts.push(Uint8Array.from(rest));
    return null;
  }

  #tooLong(): Line {
    return { fault: `a line is longer than ${this.#limit} bytes` };
  }
}

function textOf(bytes: Uint8Array): Line {
  try {
    return { text: UTF8.decode(bytes) };
  } catch {
    return { fault: "a line is no UTF-8" };
  }
}

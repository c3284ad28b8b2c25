/**
 * Bytes of an output -> lines of text, with a bound: what a line has beyond it is left out. Nothing throws. Of a flood
 * only those lines are made text that may tell something; the others are counted, a gigabyte in some seconds.
 */

/** The longest line that is kept whole, in bytes; a result may be as long in characters. */
export const MAX_OUTPUT_LINE = 1024 * 1024;
/** Of a flood so many lines of a chunk are made text, the last ones. */
const MOST_OF_FLOOD = 16;

const LINE_FEED = 0x0a;
const UTF8 = new TextDecoder();

export interface OutputLine {
  readonly text: string;
  /** Whether it was longer. */
  readonly isCut: boolean;
}

/** By their first byte: which lines of a flood may tell something. */
export type FirstBytes = Readonly<Uint8Array>;

/** The table of these characters. */
export function firstBytes(characters: string): FirstBytes {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(characters, "latin1")) table[byte] = 1;
  return table;
}

export class OutputLines {
  readonly #telling: FirstBytes;
  /** The beginning of a line whose end has not come. */
  #parts: Uint8Array[] = [];
  #length = 0;
  #isCut = false;
  #skipped = 0;

  /** @param telling - which lines count in a flood. */
  constructor(telling: FirstBytes) {
    this.#telling = telling;
  }

  /** How many lines of a flood were not made text since this was asked last. */
  takeSkipped(): number {
    const skipped = this.#skipped;
    this.#skipped = 0;
    return skipped;
  }

  /** The lines that these bytes complete; empty ones are none. The bytes are not held on to. */
  push(bytes: Uint8Array, isFlood: boolean): OutputLine[] {
    const lines: OutputLine[] = [];
    let from = 0;
    // Where one was begun before, it ends first.
    const first = bytes.indexOf(LINE_FEED);
    if (first < 0) {
      this.#keep(bytes);
      return lines;
    }
    this.#keep(bytes.subarray(0, first));
    this.#complete(lines);
    from = first + 1;
    if (isFlood) {
      from = this.#pick(bytes, from, lines);
    } else {
      for (let end = bytes.indexOf(LINE_FEED, from); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
        addLine(lines, bytes.subarray(from, end), false);
        from = end + 1;
      }
    }
    this.#keep(bytes.subarray(from));
    return lines;
  }

  /** The last line, which needs no line feed. */
  end(): OutputLine[] {
    const lines: OutputLine[] = [];
    this.#complete(lines);
    return lines;
  }

  /** Of the whole lines the last that may tell something; gives where the rest begins. */
  #pick(bytes: Uint8Array, begin: number, lines: OutputLine[]): number {
    const picked: [from: number, to: number][] = [];
    let from = begin;
    for (let at = begin; at < bytes.length; at++) {
      if (bytes[at] !== LINE_FEED) continue;
      if (this.#telling[bytes[from] ?? 0] === 1) picked.push([from, at]);
      else if (at > from) this.#skipped++;
      from = at + 1;
    }
    const kept = picked.slice(-MOST_OF_FLOOD);
    this.#skipped += picked.length - kept.length;
    for (const [start, end] of kept) addLine(lines, bytes.subarray(start, end), false);
    return from;
  }

  #keep(bytes: Uint8Array): void {
    const room = MAX_OUTPUT_LINE - this.#length;
    if (bytes.length > room) this.#isCut = true;
    if (room === 0 || bytes.length === 0) return;
    // A copy: whoever read the bytes may use their memory again.
    const part = bytes.slice(0, room);
    this.#parts.push(part);
    this.#length += part.length;
  }

  #complete(lines: OutputLine[]): void {
    const [first] = this.#parts;
    const whole = this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts, this.#length);
    addLine(lines, whole, this.#isCut);
    this.#parts = [];
    this.#length = 0;
    this.#isCut = false;
  }
}

/** Of one that was written over (`\r`, a bar of progress) what stands at last. */
function addLine(lines: OutputLine[], bytes: Uint8Array, isCut: boolean): void {
  if (bytes.length === 0) return;
  const whole = UTF8.decode(bytes);
  const text = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
  const last = text.slice(text.lastIndexOf("\r") + 1);
  if (last !== "") lines.push({ text: last, isCut });
}

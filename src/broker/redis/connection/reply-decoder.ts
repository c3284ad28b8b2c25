/**
 * Reads Redis' answers (RESP 2, https://redis.io/docs/latest/develop/reference/protocol-spec) on the hot path. A chunk
 * becomes one string, which the answers are parts of: an entry costs a fourth of what ioredis' decoder takes for it,
 * that copies each text by itself.
 */
import { isAscii } from "node:buffer";

/** What Redis answered to a command that it refused. ioredis calls its own so, too. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** A list whose items are not all there yet. */
interface OpenList {
  readonly items: unknown[];
  readonly size: number;
}

const [CR, MINUS, ZERO, NINE] = [13, 45, 48, 57];
const [SIMPLE, ERROR, INTEGER, BULK, LIST] = [43, 45, 58, 36, 42];
const LINE_END = 2;
const NOTHING = Buffer.alloc(0);
/** The value that is not all there yet. */
const INCOMPLETE = Symbol("incomplete");

export class ReplyDecoder {
  readonly #onReply: (reply: unknown) => void;
  /** What came of a value that is not complete. */
  #rest: Buffer[] = [];
  #restLength = 0;
  /** How many bytes there must be before another look is worth it. */
  #needed = 0;
  /** The lists around the value that comes next, outermost first. */
  readonly #open: OpenList[] = [];
  #bytes: Buffer = NOTHING;
  #text = "";
  #isAscii = true;
  #at = 0;

  /** @param onReply - takes each whole answer: a text, an integer, null, a list of these, or a ReplyError. */
  constructor(onReply: (reply: unknown) => void) {
    this.#onReply = onReply;
  }

  /** @throws Error for what is no RESP 2. */
  write(chunk: Buffer): void {
    this.#restLength += chunk.length;
    if (this.#restLength < this.#needed) {
      this.#rest.push(chunk);
      return;
    }
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([...this.#rest, chunk]);
    this.#bytes = bytes;
    this.#text = bytes.toString("latin1");
    this.#isAscii = isAscii(bytes);
    this.#at = 0;
    this.#needed = 0;
    this.#readAll();
    this.#keepRest();
  }

  #keepRest(): void {
    const rest = this.#bytes.subarray(this.#at);
    this.#rest = rest.length === 0 ? [] : [rest];
    this.#restLength = rest.length;
    // Else the largest chunk of all would stay until the next one comes.
    this.#bytes = NOTHING;
    this.#text = "";
  }

  #readAll(): void {
    while (this.#at < this.#text.length) {
      const begin = this.#at;
      const value = this.#readValue();
      if (value === INCOMPLETE) {
        this.#at = begin;
        return;
      }
      if (value !== undefined) this.#place(value);
    }
  }

  /** The value at this place; undefined where a list begins, whose items come next. */
  #readValue(): unknown {
    const type = this.#text.charCodeAt(this.#at++);
    if (type === SIMPLE || type === ERROR) return this.#readLine(type === ERROR);
    if (type !== INTEGER && type !== BULK && type !== LIST) {
      throw new Error(`Redis answered with what is no RESP 2: a value of the type "${String.fromCharCode(type)}"`);
    }
    const number = this.#readInteger();
    if (number === null) return INCOMPLETE;
    if (type === INTEGER) return number;
    if (number < 0) return null;
    if (type === BULK) return this.#readBulk(number);
    if (number === 0) return [];
    this.#open.push({ items: [], size: number });
    return undefined;
  }

  #readLine(isError: boolean): unknown {
    const end = this.#text.indexOf("\r\n", this.#at);
    if (end < 0) return INCOMPLETE;
    const line = this.#take(end);
    return isError ? new ReplyError(line) : line;
  }

  #readBulk(length: number): unknown {
    const end = this.#at + length;
    const missing = end + LINE_END - this.#text.length;
    if (missing > 0) {
      // Counted from the value's own head, which is kept with it.
      this.#needed = String(length).length + 1 + LINE_END + length + LINE_END;
      return INCOMPLETE;
    }
    return this.#take(end);
  }

  /** The text up to `end`, behind which a line ends. */
  #take(end: number): string {
    const text = this.#isAscii ? this.#text.slice(this.#at, end) : this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + LINE_END;
    return text;
  }

  /** The number up to the end of its line; null where the line is not complete. */
  #readInteger(): number | null {
    const text = this.#text;
    let at = this.#at;
    const isNegative = text.charCodeAt(at) === MINUS;
    if (isNegative) at++;
    let number = 0;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === CR) break;
      if (code < ZERO || code > NINE)
        throw new Error(`Redis answered with what is no RESP 2: "${text[at]}" in a number`);
      number = number * 10 + (code - ZERO);
    }
    if (at + LINE_END > text.length) return null;
    this.#at = at + LINE_END;
    return isNegative ? -number : number;
  }

  /** Puts a whole value where it belongs: into the innermost list, which may be whole then, too. */
  #place(value: unknown): void {
    let whole = value;
    for (let list = this.#open.at(-1); list !== undefined; list = this.#open.at(-1)) {
      list.items.push(whole);
      if (list.items.length < list.size) return;
      whole = list.items;
      this.#open.pop();
    }
    this.#onReply(whole);
  }
}

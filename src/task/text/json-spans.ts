/**
 * Where the parts of a JSON text stand, so that they can be passed on as they came: a parser gives values, and those
 * have lost the order of some keys and the digits of large numbers. For texts that JSON.parse has taken: nothing is
 * checked here again. Each walk is one pass, however deep the text is nested.
 */

/** A part of a text: `text.slice(from, to)`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A member of an object: its value's span, its name, and where the name begins. */
export interface Member extends Span {
  readonly key: string;
  readonly keyAt: number;
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** The members of the object that begins at `at`, doubled names included; of what is no object, none. */
export function membersOf(text: string, at = 0): Member[] {
  const members: Member[] = [];
  let keyAt = skipSpace(text, at);
  if (text.charCodeAt(keyAt) !== OPEN_BRACE) return members;
  keyAt = skipSpace(text, keyAt + 1);
  while (text.charCodeAt(keyAt) === QUOTE) {
    const keyEnd = stringEnd(text, keyAt);
    const from = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const to = valueEnd(text, from);
    members.push({ key: keyIn(text, keyAt, keyEnd), keyAt, from, to });
    // Behind a comma; behind the closing brace no quote can follow at once.
    const next = skipSpace(text, to);
    if (text.charCodeAt(next) !== COMMA) break;
    keyAt = skipSpace(text, next + 1);
  }
  return members;
}

/** The name that stands there in quotes. */
function keyIn(text: string, from: number, to: number): string {
  const plain = text.slice(from + 1, to - 1);
  return plain.includes("\\") ? JSON.parse(text.slice(from, to)) : plain;
}

/** The items of the array that begins at `at`; of what is no array, none. */
export function itemsOf(text: string, at = 0): Span[] {
  const items: Span[] = [];
  let from = skipSpace(text, at);
  if (text.charCodeAt(from) !== OPEN_BRACKET) return items;
  from = skipSpace(text, from + 1);
  while (text.charCodeAt(from) !== CLOSE_BRACKET) {
    const to = valueEnd(text, from);
    items.push({ from, to });
    const next = skipSpace(text, to);
    if (text.charCodeAt(next) !== COMMA) break;
    from = skipSpace(text, next + 1);
  }
  return items;
}

/** The text of an object without its members of that name; the same text where it has none. */
export function withoutMember(text: string, name: string): string {
  const members = membersOf(text);
  if (!members.some(({ key }) => key === name)) return text;
  let kept = "";
  let at = 0;
  let isFirst = true;
  for (const [index, { key, keyAt, to }] of members.entries()) {
    if (key === name) {
      // A comma goes with it: the one before it, or at the beginning the one behind it.
      kept += text.slice(at, isFirst ? keyAt : skipSpace(text, members[index - 1]?.to ?? keyAt));
      at = isFirst ? (members[index + 1]?.keyAt ?? to) : to;
    } else isFirst = false;
  }
  return kept + text.slice(at);
}

/** A number in a text: its span, and the way to it. */
export interface NumberSpan extends Span {
  /** Like `a[3]["b c"]`; empty for a text that is only a number. */
  readonly path: () => string;
}

/** An array (`index`) or an object (`index` is -1) that is not closed yet, and the last key that was read in it. */
interface Open {
  index: number;
  keyAt: number;
}

/** Every number of a text, in order. */
export function* numbersOf(text: string): Generator<NumberSpan> {
  const open: Open[] = [];
  let isKey = false;
  const path = (): string =>
    open
      .map((each) => step(text, each))
      .join("")
      .replace(/^\./, "");
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const code = text.charCodeAt(at);
    const top = open.at(-1);
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      open.push({ index: code === OPEN_BRACE ? -1 : 0, keyAt: -1 });
      isKey = code === OPEN_BRACE;
      at++;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      open.pop();
      at++;
    } else if (code === COMMA || code === COLON) {
      isKey = code === COMMA && top?.index === -1;
      if (code === COMMA && top !== undefined && top.index !== -1) top.index++;
      at++;
    } else if (code === QUOTE) {
      if (isKey && top !== undefined) top.keyAt = at;
      at = stringEnd(text, at);
    } else {
      const to = scalarEnd(text, at);
      if (code < 0x40) yield { from: at, to, path };
      at = to;
    }
  }
}

/** One step of a path. */
function step(text: string, { index, keyAt }: Open): string {
  if (index !== -1) return `[${index}]`;
  return pathStep(JSON.parse(text.slice(keyAt, stringEnd(text, keyAt))));
}

/** A key as a step of a path: `.name`, or `["any text"]`, cut short where it is long. */
export function pathStep(key: string): string {
  if (/^[A-Za-z_$][\w$]{0,60}$/.test(key)) return `.${key}`;
  return `[${JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}...` : key)}]`;
}

function skipSpace(text: string, at: number): number {
  let end = at;
  for (;;) {
    const code = text.charCodeAt(end);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return end;
    end++;
  }
}

/** Behind the value that begins at `at`. */
function valueEnd(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return stringEnd(text, at);
  if (code !== OPEN_BRACE && code !== OPEN_BRACKET) return scalarEnd(text, at);
  let depth = 0;
  for (let end = at; end < text.length; ) {
    const each = text.charCodeAt(end);
    if (each === QUOTE) {
      end = stringEnd(text, end);
      continue;
    }
    if (each === OPEN_BRACE || each === OPEN_BRACKET) depth++;
    else if (each === CLOSE_BRACE || each === CLOSE_BRACKET) depth--;
    end++;
    if (depth === 0) return end;
  }
  return text.length;
}

/** Behind the closing quote of the string that begins at `at`. */
function stringEnd(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    // An even number of backslashes are characters; an odd one ends with an escape of this quote.
    if ((quote - before) % 2 === 0) return quote + 1;
  }
  return text.length;
}

function scalarEnd(text: string, at: number): number {
  let end = at + 1;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 0x20) break;
  }
  return end;
}

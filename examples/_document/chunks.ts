/** One page -> chunks that overlap, cut where it hurts least: between paragraphs, lines, sentences, words. */

export interface Chunk {
  readonly text: string;
  /** Where it begins and ends in the text it was cut from. */
  readonly start: number;
  readonly end: number;
}

/** Best first: where a chunk may end. Only the second half of a chunk is searched, or chunks would get tiny. */
const ENDS = [/\n\s*\n/g, /\n/g, /[.!?。！？]["')\]]*\s/g, /\s/g];

/** Cuts `text` into chunks of at most `maxChars` characters; each begins up to `overlap` before the last one's end. */
export function* chunksOf(text: string, maxChars: number, overlap: number): Generator<Chunk> {
  let start = 0;
  while (start < text.length) {
    const end = text.length - start <= maxChars ? text.length : endOf(text, start, start + maxChars);
    const chunk = trimmed(text, start, end);
    if (chunk !== null) yield chunk;
    if (end >= text.length) return;
    // The next one must begin behind this one's beginning, or it would never end.
    start = Math.max(start + 1, wholeWord(text, end - overlap, end));
  }
}

function endOf(text: string, start: number, limit: number): number {
  const from = start + Math.floor((limit - start) / 2);
  const tail = text.slice(from, limit);
  for (const pattern of ENDS) {
    const last = [...tail.matchAll(pattern)].at(-1);
    if (last) return from + last.index + last[0].length;
  }
  return isLowSurrogate(text, limit) && limit - 1 > start ? limit - 1 : limit;
}

/** The first beginning of a word in from..end, or `from` when there is none. */
function wholeWord(text: string, from: number, end: number): number {
  const space = text.slice(from, end).search(/\s\S/);
  if (space >= 0) return from + space + 1;
  return isLowSurrogate(text, from) ? from + 1 : from;
}

function trimmed(text: string, start: number, end: number): Chunk | null {
  const raw = text.slice(start, end);
  const inner = raw.trim();
  if (inner === "") return null;
  const begin = start + raw.length - raw.trimStart().length;
  return { text: inner, start: begin, end: begin + inner.length };
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}

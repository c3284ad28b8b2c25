/**
 * Pieces -> pages: what a reader would call one. A page ends at a heading, at a form feed, or where it gets too long
 * (at a line end if there is one). One page is held at a time, whatever the size of the document.
 */
import type { Piece } from "./pieces.ts";

export interface Page {
  /** From 1. */
  readonly number: number;
  /** The headings it stands under, outermost first. */
  readonly path: readonly string[];
  readonly text: string;
  /** Where it begins in the text of the document, in UTF-16 code units. */
  readonly start: number;
}

/** Groups pieces into pages of at most `maxChars` characters. Pages of nothing but white space are not given. */
export async function* pagesOf(pieces: AsyncIterable<Piece>, maxChars: number): AsyncGenerator<Page> {
  const headings: { readonly level: number; readonly title: string }[] = [];
  let number = 0;
  let start = 0;
  let text = "";

  function* end(length = text.length): Generator<Page> {
    const page = text.slice(0, length);
    const path = headings.map(({ title }) => title);
    if (page.trim() !== "") yield { number: ++number, path, text: page, start };
    start += length;
    text = text.slice(length);
  }

  for await (const piece of pieces) {
    if (piece.kind === "heading") {
      yield* end();
      while ((headings.at(-1)?.level ?? 0) >= piece.level) headings.pop();
      headings.push({ level: piece.level, title: piece.title });
    }
    text += piece.text;
    if (piece.kind === "break") yield* end();
    while (text.length > maxChars) yield* end(cutAt(text, maxChars));
  }
  yield* end();
}

function cutAt(text: string, maxChars: number): number {
  const line = text.lastIndexOf("\n", maxChars - 1) + 1;
  if (line > 0) return line;
  // Not between the halves of a surrogate pair.
  const code = text.charCodeAt(maxChars - 1);
  return code >= 0xd800 && code <= 0xdbff && maxChars > 1 ? maxChars - 1 : maxChars;
}

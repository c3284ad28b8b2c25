/**
 * Markdown and plain text as a stream of pieces: text, headings, page breaks. Together the pieces are the whole text,
 * nothing is dropped, so positions in it are positions in the file. (HTML has its own reader: html-to-text.ts.)
 */

export type Piece =
  | { readonly kind: "text"; readonly text: string }
  /** A heading opens a section; `text` is how it stands in the document. */
  | { readonly kind: "heading"; readonly level: number; readonly title: string; readonly text: string }
  /** A form feed ends a page; `text` is the form feed. */
  | { readonly kind: "break"; readonly text: string };

/** A longer line is given out in parts: a file without line ends must not be held whole. */
const LONGEST_LINE = 16 * 1024;

/** Plain text: form feeds end pages. */
export async function* plainPieces(input: AsyncIterable<string>): AsyncGenerator<Piece> {
  for await (const part of input) {
    for (const text of part.split(/(\f)/)) {
      if (text === "\f") yield { kind: "break", text };
      else if (text !== "") yield { kind: "text", text };
    }
  }
}

/** Markdown: `#` headings open sections, but not inside fenced code. Headings underlined with === are left as text. */
export async function* markdownPieces(input: AsyncIterable<string>): AsyncGenerator<Piece> {
  let fence = "";
  for await (const text of lines(input)) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(text)?.[1] ?? "";
    if (fence === "") fence = mark;
    else if (mark.startsWith(fence) && text.trim() === mark) fence = "";
    const heading = fence === "" && text.length < 1000 ? /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/s.exec(text.trimEnd()) : null;
    if (heading) {
      const title = (heading[2] ?? "").replace(/[ \t]+#+$/, "").trim();
      yield { kind: "heading", level: heading[1]?.length ?? 1, title, text };
    } else yield { kind: "text", text };
  }
}

/** Lines with their line ends. */
async function* lines(input: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const part of input) {
    rest += part;
    let from = 0;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n", from)) {
      yield rest.slice(from, end + 1);
      from = end + 1;
    }
    rest = rest.slice(from);
    if (rest.length > LONGEST_LINE) {
      yield rest;
      rest = "";
    }
  }
  if (rest !== "") yield rest;
}

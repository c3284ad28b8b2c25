/**
 * HTML -> text and headings, piece by piece, without a library: handler files need nothing but taskexe.
 * An honest little reader, no browser: script, style, template, title and comments are left out, block elements and
 * <br> become line ends, white space collapses outside <pre>, the common entities are decoded. It does not repair
 * broken markup, knows no CSS, and takes the input for UTF-8.
 */
import type { Piece } from "./pieces.ts";

const SKIPPED = new Set(["script", "style", "template", "title", "noscript", "svg"]);
const PARAGRAPHS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "ul", "ol", "dl", "table"]);
const LINES = new Set(
  (
    "address article aside body br dd details div dt fieldset figcaption figure footer form header hr li main nav " +
    "option section summary tr"
  ).split(" "),
);
const CELLS = new Set(["td", "th"]);

/** A tag, comment or entity that is longer than this is taken for text: memory stays bounded on broken files. */
const LONGEST_TAG = 64 * 1024;
const LONGEST_ENTITY = 32;

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  copy: "©",
  reg: "®",
  trade: "™",
  deg: "°",
  middot: "·",
  bull: "•",
  hellip: "…",
  ndash: "–",
  mdash: "—",
  lsquo: "‘",
  rsquo: "’",
  ldquo: "“",
  rdquo: "”",
  laquo: "«",
  raquo: "»",
  times: "×",
  euro: "€",
  auml: "ä",
  ouml: "ö",
  uuml: "ü",
  Auml: "Ä",
  Ouml: "Ö",
  Uuml: "Ü",
  szlig: "ß",
  eacute: "é",
  egrave: "è",
  agrave: "à",
  ccedil: "ç",
};

/** Reads HTML as it comes; a tag or an entity may be split between two parts of the input. */
export async function* htmlPieces(input: AsyncIterable<string>): AsyncGenerator<Piece> {
  const reader = new HtmlReader();
  for await (const part of input) yield* reader.push(part);
  yield* reader.end();
}

class HtmlReader {
  #rest = "";
  /** The element whose content is left out, while inside one. */
  #skipping: string | null = null;
  #pre = 0;
  #heading: { readonly level: number; title: string } | null = null;
  /** How the text that was given out ends: white space at the start of a line is dropped. */
  #tail = "\n\n";
  #out: Piece[] = [];

  push(part: string): Piece[] {
    this.#rest += part;
    return this.#read(false);
  }

  end(): Piece[] {
    this.#read(true);
    this.#closeHeading();
    return this.#flush();
  }

  #read(last: boolean): Piece[] {
    let at = 0;
    while (at < this.#rest.length) {
      const next = this.#step(at, last);
      if (next === null) break;
      at = next;
    }
    this.#rest = this.#rest.slice(at);
    return last ? [] : this.#flush();
  }

  #flush(): Piece[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** Reads one tag or one run of text; gives where it ends, or null when more input is needed. */
  #step(at: number, last: boolean): number | null {
    const text = this.#rest;
    if (this.#skipping !== null) return this.#skip(at, this.#skipping);
    if (text.startsWith("<!--", at)) return this.#comment(at);
    if (text[at] === "<") {
      const close = tagEnd(text, at);
      if (close > 0) {
        this.#tag(text.slice(at + 1, close));
        return close + 1;
      }
      const partial = /^<([a-zA-Z/!?]|$)/.test(text.slice(at, at + 2));
      if (partial && !last && text.length - at < LONGEST_TAG) return null;
      this.#text("<");
      return at + 1;
    }
    let end = text.indexOf("<", at);
    if (end < 0) end = last ? text.length : beforeEntity(text, at);
    if (end === at) return null;
    this.#text(decode(text.slice(at, end)));
    return end;
  }

  /** Inside <script> and the like everything up to the closing tag is dropped. */
  #skip(at: number, name: string): number | null {
    const close = new RegExp(`</${name}\\s*>`, "i").exec(this.#rest.slice(at));
    if (close) {
      this.#skipping = null;
      return at + close.index + close[0].length;
    }
    return this.#drop(at, this.#rest.slice(at).slice(-LONGEST_ENTITY));
  }

  #comment(at: number): number | null {
    const end = this.#rest.indexOf("-->", at + 4);
    if (end >= 0) return end + 3;
    // Keep the opening and what may be the beginning of the end.
    return this.#drop(at, `<!--${this.#rest.slice(at + 4).slice(-2)}`);
  }

  /** Forgets what was read from `at` on but `kept`, and asks for more. */
  #drop(at: number, kept: string): null {
    this.#rest = this.#rest.slice(0, at) + kept;
    return null;
  }

  #tag(inside: string): void {
    const match = /^(\/?)([a-zA-Z][a-zA-Z0-9]*)/.exec(inside);
    if (!match) return;
    const [, slash, name = ""] = match;
    const tag = name.toLowerCase();
    const opens = slash === "";
    if (SKIPPED.has(tag)) {
      if (opens && !inside.endsWith("/")) this.#skipping = tag;
    } else if (/^h[1-6]$/.test(tag)) {
      this.#closeHeading();
      this.#lineEnd(2);
      if (opens) this.#heading = { level: Number(tag[1]), title: "" };
    } else if (PARAGRAPHS.has(tag)) this.#lineEnd(2);
    else if (LINES.has(tag)) this.#lineEnd(1);
    else if (CELLS.has(tag) && opens) this.#text(" ");
    if (tag === "pre") this.#pre = Math.max(0, this.#pre + (opens ? 1 : -1));
  }

  #closeHeading(): void {
    if (this.#heading === null) return;
    const { level, title } = this.#heading;
    this.#heading = null;
    this.#out.push({ kind: "heading", level, title: title.trim(), text: this.#seen(title.trim()) });
  }

  #text(raw: string): void {
    if (this.#heading !== null) {
      this.#heading.title += raw.replace(/\s+/g, " ");
      return;
    }
    let text = this.#pre > 0 ? raw : raw.replace(/\s+/g, " ");
    if (this.#pre === 0 && /\s$/.test(this.#tail)) text = text.replace(/^\s+/, "");
    if (text !== "") this.#out.push({ kind: "text", text: this.#seen(text) });
  }

  /** Ends the line, and leaves `count - 1` empty lines, unless the text ends so already. */
  #lineEnd(count: number): void {
    if (this.#heading !== null) return;
    const present = /\n*$/.exec(this.#tail)?.[0].length ?? 0;
    if (present < count) this.#out.push({ kind: "text", text: this.#seen("\n".repeat(count - present)) });
  }

  #seen(text: string): string {
    this.#tail = (this.#tail + text).slice(-2);
    return text;
  }
}

/** Where the tag that begins at `at` ends (its `>`), or -1. A `>` inside quotes does not count. */
function tagEnd(text: string, at: number): number {
  if (!/[a-zA-Z/!?]/.test(text[at + 1] ?? "")) return -1;
  let quote = "";
  for (let i = at + 1; i < text.length && i - at < LONGEST_TAG; i++) {
    const char = text[i] ?? "";
    if (quote !== "") {
      if (char === quote) quote = "";
    } else if (char === '"' || char === "'") quote = char;
    else if (char === ">") return i;
  }
  return -1;
}

/** The end of the text, or the beginning of an entity that may go on in the next part. */
function beforeEntity(text: string, at: number): number {
  const open = text.lastIndexOf("&");
  const unfinished = open >= at && text.length - open < LONGEST_ENTITY && !text.includes(";", open);
  return unfinished ? open : text.length;
}

function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]{2,8}));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const point = hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
    return point > 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff) ? String.fromCodePoint(point) : "�";
  });
}

/**
 * JSON as it was written: numbers keep all their digits, which JSON.parse would round, and what is large is shown as
 * far as it can be read by people.
 */

export type JsonNode =
  /** A number, true, false or null, as it stands in the text. */
  | { readonly kind: "plain"; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly JsonNode[]; readonly left: number }
  | { readonly kind: "object"; readonly entries: readonly (readonly [string, JsonNode])[]; readonly left: number };

/** How many nodes a tree shows, and how deep. */
const MOST_NODES = 2_000;
const DEEPEST = 40;

/** The members of an object, each as its JSON text. Sound JSON only: it comes from the API. */
export function membersOf(json: string): Map<string, string> {
  const reader = new Reader(json);
  const members = new Map<string, string>();
  reader.each("{", "}", () => {
    const key = reader.key();
    const from = reader.at;
    reader.skip();
    members.set(key, json.slice(from, reader.at));
  });
  return members;
}

/** The tree of a JSON text; null where it is none, as one that was cut. */
export function treeOf(json: string): JsonNode | null {
  const reader = new Reader(json);
  let room = MOST_NODES;
  const read = (depth: number): JsonNode => {
    room--;
    const isCut = () => room <= 0 || depth >= DEEPEST;
    let left = 0;
    switch (reader.next()) {
      case "{": {
        const entries: [string, JsonNode][] = [];
        reader.each("{", "}", () => {
          const key = reader.key();
          if (isCut()) {
            left++;
            reader.skip();
          } else entries.push([key, read(depth + 1)]);
        });
        return { kind: "object", entries, left };
      }
      case "[": {
        const items: JsonNode[] = [];
        reader.each("[", "]", () => {
          if (isCut()) {
            left++;
            reader.skip();
          } else items.push(read(depth + 1));
        });
        return { kind: "list", items, left };
      }
      case '"':
        return { kind: "text", text: reader.text() };
      default:
        return { kind: "plain", text: reader.plain() };
    }
  };
  try {
    const tree = read(0);
    return reader.next() === "" ? tree : null;
  } catch {
    return null;
  }
}

class Reader {
  readonly #json: string;
  at = 0;

  constructor(json: string) {
    this.#json = json;
  }

  /** The first character of what comes next, which stays; empty at the end. */
  next(): string {
    while (/\s/.test(this.#json.charAt(this.at))) this.at++;
    return this.#json.charAt(this.at);
  }

  /** Calls back in front of each member or item. */
  each(open: string, close: string, member: () => void): void {
    this.#take(open);
    if (this.next() === close) {
      this.at++;
      return;
    }
    for (;;) {
      this.next();
      member();
      if (this.next() === close) break;
      this.#take(",");
    }
    this.at++;
  }

  key(): string {
    const key = this.text();
    this.#take(":");
    this.next();
    return key;
  }

  text(): string {
    return JSON.parse(this.#matched(/"(?:[^"\\]|\\.)*"/y));
  }

  plain(): string {
    return this.#matched(/[-+.\w]+/y);
  }

  /** Goes behind the value that comes next, however deep it is. */
  skip(): void {
    let depth = 0;
    do {
      const first = this.next();
      if (first === '"') this.#matched(/"(?:[^"\\]|\\.)*"/y);
      else if (first === "{" || first === "[") {
        depth++;
        this.at++;
      } else if (first === "}" || first === "]") {
        depth--;
        this.at++;
      } else if (first === "," || first === ":") this.at++;
      else this.plain();
    } while (depth > 0);
  }

  #take(mark: string): void {
    if (this.next() !== mark) throw new SyntaxError(`expected ${mark} at ${this.at}`);
    this.at++;
  }

  #matched(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const [text] = pattern.exec(this.#json) ?? [];
    if (text === undefined) throw new SyntaxError(`unexpected end at ${this.at}`);
    this.at += text.length;
    return text;
  }
}

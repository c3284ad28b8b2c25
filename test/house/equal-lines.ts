/**
 * Finds pairs of places that share lines, to the letter: the same logic written twice. White space is folded; blank
 * lines, comments, imports and lone punctuation do not count, nor do they part what stands around them.
 */

/** Files by their names. */
export type Sources = ReadonlyMap<string, string>;

export interface Pair {
  readonly one: string;
  readonly other: string;
  /** How many lines the longest run that they share has. */
  readonly lines: number;
}

interface Line {
  readonly text: string;
  /** In the file, from 1. */
  readonly at: number;
}

/** Pairs of files, and of places in one file, that share at least `least` lines in a row; the longest run of each. */
export function equalPlaces(sources: Sources, least: number): Pair[] {
  const counted = [...sources].map(([name, text]) => ({ name, lines: linesOf(text) }));
  const pairs: Pair[] = [];
  for (const [at, one] of counted.entries()) {
    for (const other of counted.slice(at)) {
      const run = longestRun(one.lines, other.lines, one === other);
      if (run === null || run.lines < least) continue;
      const place = (name: string, line: Line | undefined) => `${name}:${line?.at}`;
      const [from, to] = [one.lines[run.one], other.lines[run.other]];
      pairs.push({ one: place(one.name, from), other: place(other.name, to), lines: run.lines });
    }
  }
  return pairs.sort((a, b) => b.lines - a.lines);
}

function linesOf(source: string): Line[] {
  const withoutComments = source
    .replace(/^\s*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/^import [^;]*;$/gm, (statement) => statement.replace(/[^\n]/g, ""));
  return withoutComments
    .split("\n")
    .map((text, index) => ({ text: text.trim().replace(/\s+/g, " "), at: index + 1 }))
    .filter(({ text }) => /\w/.test(text) && !text.startsWith("//"));
}

/** By how many lines before each pair of lines are equal; within one file a run may not reach into itself. */
function longestRun(one: readonly Line[], other: readonly Line[], isSame: boolean) {
  const places = new Map<string, number[]>();
  for (const [at, { text }] of other.entries()) places.set(text, [...(places.get(text) ?? []), at]);
  let before = new Map<number, number>();
  let best: { readonly one: number; readonly other: number; readonly lines: number } | null = null;
  for (const [at, { text }] of one.entries()) {
    const here = new Map<number, number>();
    for (const there of places.get(text) ?? []) {
      if (isSame && there <= at) continue;
      const lines = Math.min((before.get(there - 1) ?? 0) + 1, isSame ? there - at : Number.POSITIVE_INFINITY);
      here.set(there, lines);
      if (lines > (best?.lines ?? 0)) best = { one: at - lines + 1, other: there - lines + 1, lines };
    }
    before = here;
  }
  return best;
}

/** The known name that a mistyped one most likely meant. Used for keys of the file, environment and commands. */

/** In characters; the distance takes a time that grows with it. */
const LONGEST_NAME = 200;

/**
 * The nearest of `known` to `name`: the one that it begins, else the one at the least edit distance; null when nothing
 * is near enough to be a likely slip (more than a third of the letters, at least two, would have to change).
 * What is longer than any name is none.
 */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name.length > LONGEST_NAME) return null;
  const begun = name.length < 2 ? undefined : known.find((candidate) => candidate.startsWith(name));
  if (begun !== undefined) return begun;
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean X?`, or nothing: the end of an error about an unknown name. */
export function didYouMean(name: string, known: readonly string[]): string {
  const candidate = nearest(name, known);
  return candidate === null ? "" : `; did you mean ${candidate}?`;
}

// Optimal string alignment: insert, delete, replace, and swap of two neighbours each cost one.
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const present = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(at(last, column) + 1, at(present, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      }
      present.push(cost);
    }
    beforeLast = last;
    last = present;
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

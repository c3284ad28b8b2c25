/**
 * What is left behind: every key, row and file, by kind, each kind under the name that docs/bounds.md has for it. Says
 * what no kind explains, and what stands there beyond its bound. It only reads.
 */

export interface Kind {
  /** As docs/bounds.md names it. */
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
}

export interface Account {
  readonly kinds: readonly Kind[];
  /** What is not explained, one sentence each; empty: all is. */
  readonly problems: readonly string[];
}

/** What may be there. */
export interface Expected {
  /** Executors that live. */
  readonly executors: number;
  /** After how long without a beat an executor is expelled, in ms. */
  readonly heartbeatTimeoutMs: number;
  /** How many records of each state a queue may keep; those that were set for the executors. 0: any number. */
  readonly doneLimit: number;
  readonly cancelledLimit: number;
  readonly deadLimit: number;
}

/** How much later than its time something may go, in ms: the removal looks once a second, the clean-up every ten. */
export const SLACK_MS = 15_000;
/** How many sentences are told of one kind. */
const MOST_TOLD = 5;

/** The first few of what is wrong with a kind, and how many more there are. */
export function few(problems: readonly string[]): string[] {
  if (problems.length <= MOST_TOLD) return [...problems];
  return [...problems.slice(0, MOST_TOLD), `... and ${problems.length - MOST_TOLD} more like these`];
}

export function together(...accounts: readonly Account[]): Account {
  return {
    kinds: accounts.flatMap(({ kinds }) => kinds),
    problems: accounts.flatMap(({ problems }) => problems),
  };
}

/** A table of what is there, and below it what is not explained. */
export function describeAccount({ kinds, problems }: Account): string {
  const width = Math.max(20, ...kinds.map(({ name }) => name.length)) + 2;
  const rows = kinds.map(({ name, count, bytes }) => row(width, name, count.toLocaleString("en"), sizeOf(bytes)));
  const verdict =
    problems.length === 0 ? "explained: all of it" : `NOT EXPLAINED: ${problems.length}, see docs/bounds.md`;
  return [row(width, "left behind", "number", "bytes"), ...rows, ...problems, verdict].join("\n");
}

function row(width: number, name: string, ...cells: readonly string[]): string {
  return name.padEnd(width) + cells.map((cell) => cell.padStart(12)).join("");
}

function sizeOf(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1_000)} kB` : `${Math.round(bytes / 1_000_000)} MB`;
}

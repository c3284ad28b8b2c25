/**
 * The contract's part for sources: places outside of the queues from which tasks are moved in, each by one executor at
 * a time, which holds the source. A move out and the enqueue are one step: whoever is killed at any point, nothing is
 * lost and nothing comes twice.
 */

/** What holds for every task of a source that does not say it itself. */
export interface SourceTasks {
  /** The source's name: 1 to 64 letters, digits and `. _ -`. */
  readonly name: string;
  /** The type of what names none. */
  readonly type: string;
  readonly queue: string;
  readonly priority: number;
  /** How long records are kept, in ms. */
  readonly retentionMs: number;
}

/** A key of Redis whose members become tasks. */
export interface KeySource extends SourceTasks {
  readonly kind: "list" | "zset";
  readonly key: string;
  /**
   * Of a list, at which end members are taken. Of a sorted set: `time`, a member is due when its score has come (Unix
   * seconds, from 10^11 on ms); `score`: lowest first, at once.
   */
  readonly order: "left" | "right" | "time" | "score";
}

/** A folder: files that are moved into it become tasks, by any broker. The executor sees to it. */
export interface FolderSource extends SourceTasks {
  readonly kind: "folder";
  /** Its absolute path. */
  readonly folder: string;
}

/** Any of them. */
export type Source = KeySource | FolderSource;

/** Moves of one step. */
export interface Moved {
  /** False: another executor holds the source. */
  readonly isOurs: boolean;
  /** How many members were taken out. */
  readonly moved: number;
  /** Of those, how many are no JSON: they are queued as they are, and end as dead, with their text. */
  readonly bad: number;
  /** Of those, how many were there already under their own id. */
  readonly known: number;
  /** In how many ms the next one is due; null: not known, or nothing waits. */
  readonly nextInMs: number | null;
}

/** How long a source is held without a word of its holder, in ms. */
export const SOURCE_HELD_MS = 1_000;

/** Moves up to `max` members in one step, where nobody else holds the source; whoever moves holds it for a second. */
export type MoveIn = (source: KeySource, max: number) => Promise<Moved>;

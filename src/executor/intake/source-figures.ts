/** What is told of a source in /status. */
import type { Source } from "../../broker/contract/sources.ts";

/** What has come of a source here since the start. */
export interface SourceFigures {
  readonly name: string;
  readonly kind: Source["kind"];
  /** The key, or the path of the folder. */
  readonly key: string;
  /** Whether this executor moves from it just now. */
  held: boolean;
  moved: number;
  /** Of those, what can be no task, and ends as dead. */
  bad: number;
  /** Why nothing can be moved just now; null: it can. */
  problem: string | null;
}

/** One of an executor's. */
export interface MovedSource<S extends Source = Source> {
  readonly source: S;
  readonly figures: SourceFigures;
}

export function movedSource(source: Source): MovedSource {
  const { name, kind } = source;
  const key = kind === "folder" ? source.folder : source.key;
  return { source, figures: { name, kind, key, held: false, moved: 0, bad: 0, problem: null } };
}

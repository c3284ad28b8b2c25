/** The JSON form of the live tree of nurseries and tasks. */
import type { TreeNode } from "../concurrency/index.ts";

export interface TreeJson {
  readonly kind: TreeNode["kind"];
  readonly name: string;
  readonly age_ms: number;
  readonly state: TreeNode["state"];
  readonly cancelling_ms?: number;
  /** Of an attempt: its task, and the process that runs it. */
  readonly id?: string;
  readonly type?: string;
  readonly attempt?: number;
  readonly runner?: number;
  /** Its runner does not answer, since then; ISO 8601. */
  readonly blocked_since?: string;
  readonly children: readonly TreeJson[];
  readonly unlisted?: number;
}

/** A tree is listed 500 levels deep at the most, so the walk may recurse. */
export function treeView({ kind, name, ageMs, state, cancellingMs, children, unlisted, about }: TreeNode): TreeJson {
  return {
    ...{ kind, name, age_ms: ageMs, state },
    ...(cancellingMs === undefined ? {} : { cancelling_ms: cancellingMs }),
    ...about,
    children: children.map(treeView),
    ...(unlisted === undefined ? {} : { unlisted }),
  };
}

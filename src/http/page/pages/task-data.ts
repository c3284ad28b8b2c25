/** What the page of a task is made of. */
import type { TreeJson as Tree } from "../../tree-view.ts";
import type { TaskAnswer } from "../view/api.ts";

/** A JSON text, or its beginning. */
export interface Shown {
  readonly text: string;
  readonly isCut: boolean;
}

export interface TaskData {
  readonly task: Omit<TaskAnswer, "payload" | "result" | "message" | "logs">;
  readonly payload: Shown;
  readonly result: Shown | null;
  readonly logs: TaskAnswer["logs"];
  readonly logsLeft: number;
  /** The attempt in the tree of this executor; null: it does not run here. */
  readonly tree: Tree | null;
}

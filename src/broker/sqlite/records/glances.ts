/** How tasks stand, for whoever watches them. */
import type { TaskGlance } from "../../contract/admin.ts";
import type { Store } from "../file/store.ts";
import { numberOf, textOf } from "./rows.ts";

const GLANCE = `SELECT state, attempt, crashes, token, started_at, finished_at, due_at, queued_at, progress,
  progress_msg,
    coalesce((SELECT line FROM logs WHERE logs.task = tasks.seq ORDER BY line DESC LIMIT 1), 0) AS line
  FROM tasks WHERE seq = (SELECT seq FROM ids WHERE id = ?)`;

/** As Administration.glance. */
export function glance(
  store: Store,
  asked: readonly { readonly id: string; readonly seen: string | null }[],
): Promise<(TaskGlance | "same" | null)[]> {
  return store.read((sql) =>
    asked.map(({ id, seen }) => {
      const row = sql(GLANCE).get(id);
      if (row === undefined) return null;
      const { progress, progress_msg, line, ...standing } = row;
      const record = Object.values(standing).join(" ");
      const now = `${record} ${progress} ${line} ${progress_msg}`;
      if (now === seen) return "same";
      const rest = { progress: numberOf(row, "progress"), progressMsg: textOf(row, "progress_msg") };
      return { seen: now, record, ...rest, lastLine: numberOf(row, "line") };
    }),
  );
}

/** The record of one task, whole; of lists see listing.ts. */
import type { TaskRecord } from "../../../task/record/record.ts";
import type { Store } from "../file/store.ts";
import { recordOf } from "./rows.ts";

const RECORD = "SELECT * FROM tasks WHERE seq = (SELECT seq FROM ids WHERE id = ?)";

/** @returns null where no task has this id. */
export function readRecord(store: Store, id: string): Promise<TaskRecord | null> {
  return store.read((sql) => {
    const row = sql(RECORD).get(id);
    return row === undefined ? null : recordOf(row);
  });
}

/**
 * The JSON form of one task: its record, and its payload as it came, which stands in the message together with the
 * options. Lists have the shorter form of src/task/record/listed-task.ts.
 */
import * as v from "valibot";
import type { LogLine } from "../../broker/contract/admin.ts";
import { parseMessage } from "../../task/message/message.ts";
import { type TaskRecord, TaskRecordSchema } from "../../task/record/record.ts";
import { JsonText } from "../../task/text/json-text.ts";

export const LogView = v.object({
  at: v.number(),
  level: v.picklist(["debug", "info", "warn", "error"]),
  text: v.string(),
});

export const TaskView = v.object({
  ...TaskRecordSchema.entries,
  /** Of a message that another producer wrote, all of it; null where the message cannot be read. */
  payload: v.unknown(),
  /** The id of the task whose handler enqueued it; null: nobody's did. */
  parent: v.nullable(v.string()),
  /** The id of the ended task that it follows (`on_done` and the like), or that its parent does; null: none. */
  follows: v.nullable(v.string()),
});

export const TaskAndLogView = v.object({ ...TaskView.entries, logs: v.array(LogView) });

export type TaskJson = v.InferOutput<typeof TaskView>;

export function taskView(record: TaskRecord): TaskJson {
  const parsed = parseMessage(record.message);
  if (!parsed.ok) return { ...record, payload: null, parent: null, follows: null };
  const { payloadText, options } = parsed.message;
  return {
    ...record,
    payload: new JsonText(payloadText),
    parent: options.parent ?? null,
    follows: options.follows ?? null,
  };
}

export function taskAndLogView(record: TaskRecord, logs: readonly LogLine[]): v.InferOutput<typeof TaskAndLogView> {
  return { ...taskView(record), logs: [...logs] };
}

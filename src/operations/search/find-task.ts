/**
 * One task by its id: its record, or what its message says where it waits or runs without one. Whoever shows a task
 * comes through here.
 */
import type { Broker } from "../../broker/broker.ts";
import type { TaskRecord } from "../../task/record/record.ts";

/** What was found; where nothing was, why that is not known for sure. */
export type FoundTask =
  | { readonly record: TaskRecord; readonly doubt: null }
  | { readonly record: null; readonly doubt: string | null };

/** @throws (rejects) TooManyListsError; what the broker throws. */
export async function findTask(broker: Pick<Broker, "record" | "lookFor">, id: string): Promise<FoundTask> {
  const record = await broker.record(id);
  if (record !== null) return { record, doubt: null };
  const looked = (await broker.lookFor?.(id)) ?? { record: null, gaveUpAfter: null };
  if (looked.record !== null) return { record: looked.record, doubt: null };
  // One that has ended between the two questions has a record by now.
  const ended = broker.lookFor === undefined ? null : await broker.record(id);
  if (ended !== null) return { record: ended, doubt: null };
  const { gaveUpAfter } = looked;
  if (gaveUpAfter === null) return { record: null, doubt: null };
  return { record: null, doubt: `it is not among the first ${gaveUpAfter} that wait, and more wait behind those` };
}

/** What is said of a task that was not found. */
export function notFound(id: string, { doubt }: FoundTask, where = ""): string {
  const said = `no record of a task ${JSON.stringify(id)}${where}`;
  return doubt === null ? said : `${said}; ${doubt}`;
}

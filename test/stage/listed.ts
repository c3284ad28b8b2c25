/** Tasks as a list shows them, all pages of it. */
import type { Broker } from "../../src/broker/broker.ts";
import type { ListedTask } from "../../src/task/record/listed-task.ts";
import type { TaskState } from "../../src/task/state.ts";

/** All tasks of that state. */
export async function allListed(client: Broker, state: TaskState): Promise<ListedTask[]> {
  const found: ListedTask[] = [];
  let cursor: string | null = null;
  do {
    const page = await client.list({ state, limit: 1_000, ...(cursor === null ? {} : { cursor }) });
    found.push(...page.tasks);
    cursor = page.cursor;
  } while (cursor !== null);
  return found;
}

/** A task that is done with this result; undefined: there is none. */
export async function doneWith(client: Broker, wanted: unknown): Promise<ListedTask | undefined> {
  return (await allListed(client, "done")).find(({ result }) => JSON.stringify(result) === JSON.stringify(wanted));
}

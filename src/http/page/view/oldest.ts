/** Since when the first task of each queue waits: lists begin with the oldest, so it is the first of one. */
import type { QueueJson } from "../../../operations/views/queue-view.ts";
import { askTasks } from "./api.ts";
import type { Ask } from "./page.ts";

/** Of how many queues it is looked for. */
const MOST_LOOKED_AT = 12;

/** Unix ms, by the name of the queue; queues where nothing waits are not in it. */
export type Oldest = Readonly<Record<string, number>>;

export async function oldestOf(queues: readonly QueueJson[], ask: Ask): Promise<Oldest> {
  const oldest: [string, number][] = [];
  for (const { name } of queues.filter(({ queued }) => queued > 0).slice(0, MOST_LOOKED_AT)) {
    const { tasks } = await askTasks(ask, { state: "queued", queue: name, limit: "1" });
    const since = tasks[0]?.enqueued_at ?? null;
    if (since !== null) oldest.push([name, since]);
  }
  return Object.fromEntries(oldest);
}

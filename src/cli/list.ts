/** `taskexe list`: tasks by state, type and queue, page after page up to the limit. */
import type { Broker } from "../broker/broker.ts";
import { type CancelScope, checkpoint } from "../concurrency/index.ts";
import type { TaskRecord } from "../task/record.ts";
import { TASK_STATES, type TaskState } from "../task/state.ts";
import { withBroker } from "./client.ts";
import { usageError } from "./exit.ts";
import { choice, settingsWithQueue, type TaskFlags, taskFlags } from "./filters.ts";
import { type Options, text } from "./flags.ts";
import { note, printJson, printTable } from "./output.ts";

const MOST = 10_000;
const PAGE = 500;

/** Runs the command. Returns the exit code. */
export async function list(options: Options): Promise<number> {
  const state = choice(options, "state", TASK_STATES, "list");
  const limit = limitOf(options);
  const filter = { ...taskFlags(options, "list"), ...(state === undefined ? {} : { state }) };
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    const { tasks, more } = await gather(broker, filter, limit, scope);
    if (options.json) printJson({ tasks, more });
    else {
      printTable(["id", "type", "state", "queue", "attempt", "progress", "since", "reason"], tasks.map(rowOf));
      if (more) note(`taskexe: there are more; --limit shows up to ${MOST}`);
    }
    return 0;
  });
}

async function gather(
  broker: Broker,
  filter: TaskFlags & { readonly state?: TaskState },
  limit: number,
  scope: CancelScope,
): Promise<{ readonly tasks: readonly TaskRecord[]; readonly more: boolean }> {
  const tasks: TaskRecord[] = [];
  let cursor: string | null = null;
  do {
    await checkpoint(scope.signal);
    const query = { ...filter, limit: Math.min(PAGE, limit - tasks.length) };
    const page = await broker.list(cursor === null ? query : { ...query, cursor });
    tasks.push(...page.tasks);
    cursor = page.cursor;
  } while (cursor !== null && tasks.length < limit);
  return { tasks, more: cursor !== null };
}

function rowOf(task: TaskRecord): (string | number)[] {
  const since = task.finished_at ?? task.started_at ?? task.due_at ?? task.enqueued_at;
  const time = since === null ? "" : new Date(since).toISOString();
  return [task.id, task.type, task.state, task.queue, task.attempt, task.progress, time, reasonOf(task)];
}

/** Why it has ended, or why its last attempt failed. */
function reasonOf({ reason, error }: TaskRecord): string {
  return reason ?? (error === null ? "" : `${error.name}: ${error.message}`);
}

function limitOf(options: Options): number {
  const given = text(options.limit) ?? "100";
  const limit = /^\d{1,5}$/.test(given) ? Number(given) : 0;
  if (limit >= 1 && limit <= MOST) return limit;
  throw usageError(`flag --limit: expected a whole number from 1 to ${MOST}, got ${JSON.stringify(given)}`, "list");
}

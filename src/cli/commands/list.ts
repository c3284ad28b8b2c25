/**
 * `taskexe list`: tasks by state, type and queue, printed page after page, so that a list of any length takes no
 * memory. One that ends at its limit names the cursor at which another call goes on.
 */
import type { Command } from "commander";
import { CursorError, DEFAULT_PAGE } from "../../operations/pages.ts";
import { searchPages } from "../../operations/search/search.ts";
import type { ListedTask } from "../../task/record/listed-task.ts";
import { TASK_STATES } from "../../task/state.ts";
import { choice, settingsWithQueue, taskFlags } from "../arguments/filters.ts";
import { type Options, text, withBrokerFlags } from "../arguments/flags.ts";
import { longJson, longTable } from "../output/long-output.ts";
import { note, printed } from "../output/print.ts";
import { usageError } from "../process/exit.ts";
import { withBroker } from "../process/with-broker.ts";

const MOST = 999_999_999;
/** How many queues are looked into beside those of the configuration. */
const MOST_QUEUES = 100_000;
const HEAD = ["id", "type", "state", "queue", "attempt", "progress", "since", "reason"];

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("list tasks of the configured queues")
    .option("--state <state>", "scheduled, queued, running, retrying, done, dead or cancelled")
    .option("--type <type>", "only of this type")
    .option("--queue <name>", "only in this queue, also where it is not configured")
    .option("--foreign", "only what other programs have queued, as RagFlow's producers do")
    .option("--limit <number>", "how many at the most (default: 100)")
    .option("--all", "all there are, in every queue that is known")
    .option("--cursor <cursor>", "go on where a list ended before, with the same filters")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await list(options)));
}

/** Runs the command. Returns the exit code. */
async function list(options: Options): Promise<number> {
  const state = choice(options, "state", TASK_STATES, "list");
  const limit = limitOf(options);
  const foreign = options.foreign === true ? true : undefined;
  const query = { ...taskFlags(options, "list"), state, foreign, limit, cursor: text(options.cursor) };
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    let next: string | null = null;
    const output = options.json
      ? longJson<ListedTask>("tasks", () => ({ cursor: next, ...before(next) }))
      : longTable(HEAD, rowOf);
    const isAll = options.all === true && query.queue === undefined;
    const others = isAll ? (await broker.otherQueues(MOST_QUEUES)).names.toSorted() : [];
    const queries = [query, ...others.map((queue) => ({ ...query, queue, cursor: undefined }))];
    try {
      for (const one of queries) {
        for await (const page of searchPages(broker, one, scope)) {
          output.add(page.tasks);
          next = page.cursor;
          await printed(scope.signal);
        }
      }
    } catch (error) {
      if (error instanceof CursorError) throw usageError(`flag --cursor: ${error.message}`, "list");
      throw error;
    }
    output.end();
    if (next !== null && !options.json)
      note(`taskexe: there are more; --cursor ${next} goes on behind these, --all shows all`);
    return 0;
  });
}

/** What said the same before there was `cursor`, as HTTP has it: programs read it. */
function before(cursor: string | null): { more: boolean; next_cursor: string | null } {
  return { more: cursor !== null, next_cursor: cursor };
}

function rowOf(task: ListedTask): (string | number)[] {
  const since = task.finished_at ?? task.started_at ?? task.due_at ?? task.enqueued_at;
  const time = since === null ? "" : new Date(since).toISOString();
  return [task.id, task.type, task.state, task.queue, task.attempt, task.progress, time, reasonOf(task)];
}

/** Why it has ended, or why its last attempt failed. */
function reasonOf({ reason, error }: ListedTask): string {
  return reason ?? (error === null ? "" : `${error.name}: ${error.message}`);
}

function limitOf(options: Options): number {
  const given = text(options.limit);
  if (options.all) {
    if (given === undefined) return Number.POSITIVE_INFINITY;
    throw usageError("flags --all and --limit: give one of them", "list");
  }
  if (given === undefined) return DEFAULT_PAGE;
  const limit = /^\d{1,9}$/.test(given) ? Number(given) : 0;
  if (limit >= 1) return limit;
  const expected = `expected a whole number from 1 to ${MOST}, or --all`;
  throw usageError(`flag --limit: ${expected}, got ${JSON.stringify(given)}`, "list");
}

/**
 * Lists of what a query finds. State, queue and type are the broker's to find; for the rest a bounded number of tasks
 * is looked at, and the answer says how many: its cursor goes on from there.
 */
import type { Broker } from "../../broker/broker.ts";
import type { ListPage, ListQuery } from "../../broker/contract/admin.ts";
import { type CancelScope, checkpoint } from "../../concurrency/index.ts";
import { InvalidTaskError } from "../../task/message/new-task.ts";
import { LISTED_MESSAGE_LENGTH, type ListedTask, listedOf } from "../../task/record/listed-task.ts";
import { DEFAULT_PAGE, listPage, PAGE, type PageQuery } from "../pages.ts";
import { findTask } from "./find-task.ts";
import { isForeign, isForeignMessage, matchesPayload, matchesRecord } from "./matches.ts";
import { readQuery, type TaskQuery } from "./task-query.ts";

/** How many tasks one search looks at, how long it takes about, and how many of them it reads whole. */
const MOST_LOOKED_AT = 20_000;
const LONGEST_MS = 250;
const MOST_READ_WHOLE = 500;

export interface Found {
  readonly tasks: readonly ListedTask[];
  readonly cursor: string | null;
  /** How many tasks were looked at one by one; null: the broker's indexes had it all. */
  readonly looked: number | null;
}

type SearchBroker = Pick<Broker, "list" | "record" | "lookFor" | "now">;

/** What is looked for beside what brokers look for themselves. */
export interface SearchQuery extends PageQuery {
  /** As task-query.ts has it; absent: everything. */
  readonly q?: string | undefined;
  /** Only what other programs have queued, or only what none of them has; absent: both. */
  readonly foreign?: boolean | undefined;
}

/**
 * A page of what a query finds, oldest first within a state.
 *
 * @throws (rejects) InvalidTaskError for a query that cannot be; what `listPage` throws.
 */
export async function searchPage(broker: SearchBroker, { q, foreign, ...page }: SearchQuery): Promise<Found> {
  const query = readQuery(q ?? "");
  const asked = { ...page, ...narrowed(query, page) };
  const exact = query.id !== undefined && !query.id.isPrefix ? query.id.text : null;
  if (exact !== null) return one(broker, exact, { query, foreign }, asked);
  if (foreign === undefined && isIndexed(query)) return { ...(await listPage(broker, asked)), looked: null };
  return scan(broker, { query, foreign }, asked);
}

/** What programs list. */
export type ListFilter = Omit<ListQuery, "limit"> & { readonly limit?: number; readonly foreign?: boolean };

/** A page of that. @throws (rejects) what `searchPage` throws. */
export async function listed(broker: SearchBroker, filter: ListFilter): Promise<ListPage> {
  const { tasks, cursor } = await searchPage(broker, filter);
  return { tasks, cursor };
}

/**
 * Pages until there are `limit` tasks, or none is left. The last page's cursor says where another call goes on.
 *
 * @throws (rejects) what `searchPage` throws; the cancel of `scope`.
 */
export async function* searchPages(
  broker: SearchBroker,
  { limit = DEFAULT_PAGE, cursor: from, ...query }: SearchQuery,
  scope: CancelScope,
): AsyncGenerator<Found> {
  let cursor: string | null | undefined = from;
  let left = limit;
  do {
    await checkpoint(scope.signal);
    const page: Found = await searchPage(broker, { ...query, cursor, limit: Math.min(PAGE, left) });
    yield page;
    left -= page.tasks.length;
    cursor = page.cursor;
  } while (cursor !== null && left > 0);
}

/** What of a search no index knows. */
interface Sought {
  readonly query: TaskQuery;
  readonly foreign: boolean | undefined;
}

/** What of a query the broker itself looks for. What was said beside it must not say other. */
function narrowed(query: TaskQuery, page: PageQuery): PageQuery {
  const type = query.type !== undefined && !query.type.isPrefix ? query.type.text : undefined;
  const own = { state: query.state, queue: query.queue, type };
  for (const key of ["state", "queue", "type"] as const) {
    if (own[key] !== undefined && page[key] !== undefined && own[key] !== page[key]) {
      throw new InvalidTaskError(`q: ${key}:${own[key]} and ${key}=${page[key]} were both given`);
    }
  }
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
}

function isIndexed({ type, id, executor, error, payload, age, run, attempt, words }: TaskQuery): boolean {
  const rest = [payload, age, run, attempt, words].every((terms) => terms.length === 0);
  return rest && [id, executor, error].every((term) => term === undefined) && type?.isPrefix !== true;
}

async function one(broker: SearchBroker, id: string, { query, foreign }: Sought, page: PageQuery): Promise<Found> {
  const { record } = await findTask(broker, id);
  const isMeant =
    record !== null &&
    (["state", "queue", "type"] as const).every((key) => page[key] === undefined || page[key] === record[key]) &&
    matchesRecord(query, listedOf(record), broker.now()) &&
    (query.payload.length === 0 || matchesPayload(query.payload, record.message)) &&
    (foreign === undefined || isForeignMessage(record.message) === foreign);
  return { tasks: isMeant ? [listedOf(record)] : [], cursor: null, looked: null };
}

async function scan(broker: SearchBroker, { query, foreign }: Sought, page: PageQuery): Promise<Found> {
  const { limit = DEFAULT_PAGE } = page;
  const until = performance.now() + LONGEST_MS;
  const tasks: ListedTask[] = [];
  let [looked, whole] = [0, 0];
  let cursor = page.cursor ?? null;
  do {
    // So many at once that none of them can be too many: a cursor stands behind whole pages only.
    const one = { ...page, limit: limit - tasks.length, ...(cursor === null ? {} : { cursor }) };
    const { tasks: some, cursor: next } = await listPage(broker, one);
    looked += some.length;
    for (const task of some.filter((each) => matchesRecord(query, each, broker.now()))) {
      const known = foreign === undefined ? true : isForeign(task);
      if (known !== null && known !== (foreign ?? true)) continue;
      if (query.payload.length > 0 || known === null) {
        const isWhole = task.message.length < LISTED_MESSAGE_LENGTH;
        if (!isWhole) whole++;
        const message = isWhole ? task.message : ((await findTask(broker, task.id)).record?.message ?? "");
        if (query.payload.length > 0 && !matchesPayload(query.payload, message)) continue;
        if (known === null && isForeignMessage(message) !== foreign) continue;
      }
      tasks.push(task);
    }
    cursor = next;
  } while (
    cursor !== null &&
    tasks.length < limit &&
    looked < MOST_LOOKED_AT &&
    whole < MOST_READ_WHOLE &&
    performance.now() < until
  );
  return { tasks, cursor, looked };
}

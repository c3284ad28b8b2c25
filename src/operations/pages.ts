/** Lists of tasks, page by page: one page, or as many as are wanted, without holding more than one. */

import type { Broker } from "../broker/broker.ts";
import { checkListQuery } from "../broker/check-list.ts";
import { type ListPage, type ListQuery, MAX_ADMINISTRATION_BATCH } from "../broker/contract/admin.ts";
import { type CancelScope, checkpoint } from "../concurrency/index.ts";
import { conditionsOf } from "./filters.ts";

/** How many tasks a page has where nobody says. */
export const DEFAULT_PAGE = 100;
/** How many are read at once where more are wanted. */
const PAGE = MAX_ADMINISTRATION_BATCH / 2;

/** What lists can be asked for; an absent limit is `DEFAULT_PAGE`. */
export type PageQuery = { readonly [K in keyof Omit<ListQuery, "brief">]?: ListQuery[K] | undefined };

/** The cursor is none that a list of these filters has given. */
export class CursorError extends RangeError {}

/**
 * One page.
 *
 * @throws (rejects) CursorError; RangeError for a limit that is not 1 to 1 000, or bytes below 1.
 */
export async function listPage(broker: Pick<Broker, "list">, query: PageQuery): Promise<ListPage> {
  const { limit = DEFAULT_PAGE, ...filter } = query;
  const asked = { ...conditionsOf(filter), limit };
  checkListQuery(asked);
  try {
    return await broker.list(asked);
  } catch (error) {
    // All else was checked before.
    if (error instanceof RangeError) throw new CursorError(error.message);
    throw error;
  }
}

/**
 * Pages until there are `limit` tasks, or none is left. The last page's cursor says where another call goes on.
 *
 * @throws (rejects) CursorError; the cancel of `scope`.
 */
export async function* listPages(
  broker: Pick<Broker, "list">,
  { limit = DEFAULT_PAGE, cursor: from, ...filter }: PageQuery,
  scope: CancelScope,
): AsyncGenerator<ListPage> {
  let cursor: string | null | undefined = from;
  let left = limit;
  do {
    await checkpoint(scope.signal);
    const page: ListPage = await listPage(broker, { ...filter, cursor, limit: Math.min(PAGE, left) });
    yield page;
    left -= page.tasks.length;
    cursor = page.cursor;
  } while (cursor !== null && left > 0);
}

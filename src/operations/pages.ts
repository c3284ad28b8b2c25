/** Lists of tasks, page by page. Whoever wants many pages, or what no broker looks for: search/search.ts. */

import type { Broker } from "../broker/broker.ts";
import { checkListQuery } from "../broker/check-list.ts";
import { type ListPage, type ListQuery, MAX_ADMINISTRATION_BATCH } from "../broker/contract/admin.ts";
import { conditionsOf } from "./filters.ts";

/** How many tasks a page has where nobody says. */
export const DEFAULT_PAGE = 100;
/** How many are read at once where more are wanted. */
export const PAGE = MAX_ADMINISTRATION_BATCH / 2;

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

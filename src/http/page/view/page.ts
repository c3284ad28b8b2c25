/** What a page is: what it asks of the API, how it looks, and which events change it. Server and browser share them. */
import type { Chart } from "./chart.ts";
import type { View } from "./h.ts";

export const PAGE_ROOT = "/ui";

export const PAGE_NAMES = ["overview", "tasks", "queues", "types", "executors", "schedules", "dead"] as const;

/** Those of the frame; "task" is the page of one. */
export type PageName = (typeof PAGE_NAMES)[number] | "task";

/**
 * Asks the API: a path from the root, as `/api/v1/queues`. Gives the text of its JSON, in which numbers are exact.
 *
 * @throws (rejects) AskError where it is refused.
 */
export type Ask = (path: string) => Promise<string>;

export class AskError extends Error {
  override readonly name = "AskError";
  readonly status: number;

  /** @param status - of HTTP; 0: nobody answered. */
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What an answer says of itself that tells of a mistake; null: nothing. */
export function problemIn(json: string): string | null {
  try {
    const { error } = JSON.parse(json);
    return typeof error === "string" ? error : typeof error?.message === "string" ? error.message : null;
  } catch {
    return null;
  }
}

/** What a view knows beside its data. */
export interface Around {
  /** Unix ms on the broker's clock, of the data. */
  readonly now: number;
  readonly zone: string;
  /** What whoever looks may ask to be changed, by the names of the API; nothing: there are no buttons. */
  readonly may: readonly string[];
  /** The address of the page, with its query. */
  readonly path: string;
  readonly search: string;
}

/** One page over data of its own. */
export interface PageOf<Data> {
  readonly name: PageName;
  readonly title: (data: Data) => string;
  /**
   * @param url - the address of the page.
   * @param before - what is shown, where it is asked for again: what of it is still true need not be.
   */
  load(ask: Ask, url: URL, before?: Data): Promise<Data>;
  view(data: Data, around: Around): View;
  /** What its charts draw; absent: it has none. */
  charts?(data: Data): readonly Chart[];
  /** The streams that say that it has changed; none: it does not any more. */
  streams(data: Data): readonly string[];
}

/** Where events come from: of the executor and its broker as a whole, and of these topics. */
export function eventsOf(...topics: readonly string[]): string {
  return `/api/v1/events?topics=${["overview", ...topics].join(",")}`;
}

/** Any page, whose data is its own business. */
export type Page = PageOf<unknown>;

/** A page as any other; it is only given what it has loaded, here or on the server. */
export function definePage<Data>(page: PageOf<Data>): Page {
  return {
    name: page.name,
    title: (data) => page.title(data as Data),
    load: (ask, url, before) => page.load(ask, url, before as Data | undefined),
    view: (data, around) => page.view(data as Data, around),
    streams: (data) => page.streams(data as Data),
    charts: (data) => page.charts?.(data as Data) ?? [],
  };
}

/** The address of the page of a task. */
export function taskPath(id: string): string {
  return `${PAGE_ROOT}/tasks/${encodeURIComponent(id)}`;
}

/** The address of the tasks that a query finds. */
export function tasksPath(query: string): string {
  return `${PAGE_ROOT}/tasks?q=${encodeURIComponent(query)}`;
}

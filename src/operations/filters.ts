/**
 * Which tasks a list, a cancel, a retry, a promotion or a purge is about: the one set of rules for the client, the
 * command line and HTTP. A misspelt key counts as a mistake, never as no condition; and without any condition a change
 * would reach all there is, which is more often a slip than a wish.
 */
import * as v from "valibot";
import { CURSOR_PATTERN } from "../broker/list-cursor.ts";
import { TypeSchema } from "../task/message/message-schema.ts";
import { told } from "../task/message/new-task.ts";
import { KnownQueueSchema } from "../task/options/enqueue-options.ts";
import { ENDED_STATES, RETRIED_STATES, TASK_STATES } from "../task/state.ts";

export const MUST_BE_OBJECT = "must be an object";

const place = { type: v.optional(TypeSchema), queue: v.optional(KnownQueueSchema) };

export const CursorSchema = v.pipe(
  v.string("must be a string"),
  v.regex(CURSOR_PATTERN, "is not one that a list has given"),
);

/** The keys of each filter, and what each may be. */
export const FILTERS = {
  list: { state: v.optional(oneOf(TASK_STATES)), ...place, foreign: v.optional(v.boolean("must be true or false")) },
  cancel: place,
  retry: { ...place, state: v.optional(oneOf(RETRIED_STATES)) },
  promote: place,
  purge: { ...place, state: oneOf(ENDED_STATES) },
} as const;

export type FilteredCall = keyof typeof FILTERS;

/** What each filter is, for whoever gave another one. */
const TAKES: Readonly<Record<FilteredCall, string>> = {
  list: "a state, a type, a queue, foreign, a limit, a maxBytes and a cursor, all optional",
  cancel: "ids, or a filter with a type or a queue",
  retry: `ids, or a filter with a type, a queue or a state (${listed(RETRIED_STATES)})`,
  promote: "ids, or a filter with a type or a queue",
  purge: `a state (${listed(ENDED_STATES)}), with a type, a queue or neither`,
};

/** Tells whether a filter has a condition; ids take its place. */
export function hasCondition(filter: { readonly type?: unknown; readonly queue?: unknown; readonly state?: unknown }) {
  return (filter.type ?? filter.queue ?? filter.state) !== undefined;
}

/** A filter without the keys that say nothing. */
export function conditionsOf<T extends object>(filter: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

const SCHEMAS: Readonly<Record<FilteredCall, v.GenericSchema>> = {
  list: v.strictObject(
    {
      ...FILTERS.list,
      limit: v.optional(v.number("must be a number")),
      maxBytes: v.optional(v.number("must be a number")),
      // What a list has not given is told by the broker that was to give it.
      cursor: v.optional(v.string("must be a string")),
    },
    MUST_BE_OBJECT,
  ),
  cancel: v.pipe(
    v.strictObject(FILTERS.cancel, MUST_BE_OBJECT),
    v.check((filter) => hasCondition(filter), "none is given"),
  ),
  retry: v.pipe(
    v.strictObject(FILTERS.retry, MUST_BE_OBJECT),
    v.check((filter) => hasCondition(filter), "none is given"),
  ),
  promote: v.pipe(
    v.strictObject(FILTERS.promote, MUST_BE_OBJECT),
    v.check((filter) => hasCondition(filter), "none is given"),
  ),
  purge: v.strictObject(FILTERS.purge, MUST_BE_OBJECT),
};

/**
 * Checks a filter that a program gave, before anything is asked.
 *
 * @throws TypeError that says what the call takes, and each key that is wrong.
 */
export function checkFilter(call: FilteredCall, given: unknown): void {
  const { issues } = v.safeParse(SCHEMAS[call], given);
  if (issues !== undefined) throw new TypeError(`${call} takes ${TAKES[call]}: ${told(issues)}`);
}

function oneOf<const T extends readonly string[]>(states: T): v.PicklistSchema<T, string> {
  return v.picklist(states, states.length > 3 ? `must be one of ${states.join(", ")}` : `must be ${listed(states)}`);
}

/** "dead or cancelled". */
function listed(states: readonly string[]): string {
  return `${states.slice(0, -1).join(", ")} or ${states.at(-1)}`;
}

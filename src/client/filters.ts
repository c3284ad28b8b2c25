/**
 * The filters of a client's cancel, retry, purge and list, checked before anything is asked. A misspelt key counts as a
 * mistake, never as no condition; and without any condition a change would reach all there is, which is more often a
 * slip than a wish.
 */
import * as v from "valibot";
import { told } from "../task/new-task.ts";
import { TASK_STATES } from "../task/state.ts";

const Text = v.optional(v.string("must be a string"));
const place = { type: Text, queue: Text };
const MUST_BE_OBJECT = "must be an object";

const FILTERS = {
  cancel: {
    takes: "ids, or a filter with a type or a queue",
    schema: v.pipe(
      v.strictObject(place, MUST_BE_OBJECT),
      v.check(({ type, queue }) => (type ?? queue) !== undefined, "none is given"),
    ),
  },
  retry: {
    takes: "ids, or a filter with a type, a queue or a state (dead or cancelled)",
    schema: v.pipe(
      v.strictObject(
        { ...place, state: v.optional(v.picklist(["dead", "cancelled"], "must be dead or cancelled")) },
        MUST_BE_OBJECT,
      ),
      v.check(({ type, queue, state }) => (type ?? queue ?? state) !== undefined, "none is given"),
    ),
  },
  purge: {
    takes: "a state (done, dead or cancelled), with a type, a queue or neither",
    schema: v.strictObject(
      { ...place, state: v.picklist(["done", "dead", "cancelled"], "must be done, dead or cancelled") },
      MUST_BE_OBJECT,
    ),
  },
  list: {
    takes: "a state, a type, a queue, a limit, a maxBytes and a cursor, all optional",
    schema: v.strictObject(
      {
        ...place,
        state: v.optional(v.picklist(TASK_STATES, `must be one of ${TASK_STATES.join(", ")}`)),
        limit: v.optional(v.number("must be a number")),
        maxBytes: v.optional(v.number("must be a number")),
        cursor: Text,
      },
      MUST_BE_OBJECT,
    ),
  },
} as const;

/** @throws TypeError that says what the call takes, and each key that is wrong. */
export function checkFilter(call: keyof typeof FILTERS, given: unknown): void {
  const { takes, schema } = FILTERS[call];
  const { issues } = v.safeParse<v.GenericSchema>(schema, given);
  if (issues !== undefined) throw new TypeError(`${call} takes ${takes}: ${told(issues)}`);
}

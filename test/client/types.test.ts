/** What compiles and what does not: the wrong lines below are errors, or the type check of this file fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "taskexe";
import { defineTask } from "taskexe";
import * as v from "valibot";

const greet = defineTask({
  type: "greet",
  payload: v.object({ name: v.string(), times: v.optional(v.pipe(v.string(), v.transform(Number))) }),
  run: ({ payload }) => payload.name,
});
const anything = defineTask({ type: "anything", run: () => null });

/** As the schemas of any Standard Schema library are to the compiler. */
interface OfAnyLibrary<Input, Output> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => { readonly value: Output } | { readonly issues: { readonly message: string }[] };
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}
const byLibrary: OfAnyLibrary<{ at: string }, { at: Date }> = {
  "~standard": { version: 1, vendor: "any", validate: () => ({ value: { at: new Date(0) } }) },
};
const dated = defineTask({ type: "dated", payload: byLibrary, run: ({ payload }) => payload.at.getTime() });

// Never called: it only has to compile.
async function lines(client: Client): Promise<void> {
  await client.enqueue(greet, { name: "x" });
  await client.enqueue(greet, { name: "x", times: "3" }, { priority: 1, unique: { forMs: "until-done" } });
  await client.enqueue(anything);
  await client.enqueue(anything, [1, 2, 3], { at: new Date() });
  await client.enqueue("greet", { whatever: true });
  await client.enqueueMany(greet, [{ payload: { name: "x" }, id: "1" }]);
  await client.enqueueMany("greet", [{ payload: 1 }, {}]);
  await client.enqueueMany([{ task: greet, payload: { name: "x" } }, { task: "other" }]);
  await client.schedules.put("daily", { cron: "@daily" }, greet, { name: "x" });

  await client.enqueue(dated, { at: "2026-01-31" });
  await client.enqueueMany([{ task: dated, payload: { at: "2026-01-31" } }, { task: greet }]);
  await client.schedules.put("dated", { cron: "@daily" }, dated, { at: "2026-01-31" });

  // @ts-expect-error what goes in is what stands before the transformation, also by another library
  await client.enqueue(dated, { at: new Date() });
  // @ts-expect-error the payload has no name
  await client.enqueue(greet, {});
  // @ts-expect-error the payload is missing
  await client.enqueue(greet);
  // @ts-expect-error what goes in is what stands before the transformation
  await client.enqueue(greet, { name: "x", times: 3 });
  // @ts-expect-error no such option
  await client.enqueue(anything, 1, { prority: 1 });
  // @ts-expect-error a priority is a number
  await client.enqueue(anything, 1, { priority: "high" });
  // @ts-expect-error the payload of one item is wrong
  await client.enqueueMany(greet, [{ payload: { name: "x" } }, { payload: { name: 1 } }]);
  // @ts-expect-error the payload of the schedule is wrong
  await client.schedules.put("daily", { cron: "@daily" }, greet, { name: 1 });
  // @ts-expect-error only ended records can be purged
  await client.purge({ state: "queued" });
}

test("payloads and options are checked by the compiler", () => {
  assert.equal(typeof lines, "function");
});

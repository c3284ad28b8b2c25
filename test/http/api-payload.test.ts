/** A payload that a loaded schema refuses is refused by HTTP with its path, and leaves no task behind. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as v from "valibot";
import { HandlerRegistry } from "../../src/handlers/registry.ts";
import { defineTask } from "../../src/index.ts";
import { ApiStage, refused } from "../stage/api.ts";

const DEFINITIONS = [
  defineTask({ type: "greet", payload: v.object({ to: v.object({ name: v.string() }) }), run: () => null }),
  defineTask({
    type: "slow",
    payload: v.pipeAsync(
      v.object({ n: v.number() }),
      v.checkAsync(async ({ n }) => n > 0, "must be positive"),
    ),
    run: () => null,
  }),
  defineTask({
    type: "throws",
    payload: v.pipe(
      v.unknown(),
      v.check(() => {
        throw new Error("the check is broken");
      }),
    ),
    run: () => null,
  }),
  defineTask({ type: "any", run: () => null }),
];

let stage: ApiStage;
let ask: ReturnType<ApiStage["app"]>;
before(async () => {
  stage = await ApiStage.open();
  const handlers = new HandlerRegistry();
  for (const definition of DEFINITIONS) handlers.add(definition, "test");
  ask = stage.app({ handlerOf: (type) => handlers.get(type) });
});
after(() => stage.end());

const post = (body: unknown) => ask("POST", "tasks", { body });

test("a task whose payload the schema refuses is answered with 422 and the path, and is not enqueued", async () => {
  const wrong = await post({ type: "greet", id: "w", payload: { to: { name: 5 } } });
  refused(wrong, 422, "payload_refused", /^the payload was refused by the schema of "greet": to\.name: .*string/);
  refused(await post({ type: "greet", id: "w" }), 422, "payload_refused", /schema of "greet"/);
  refused(await post({ type: "slow", id: "w", payload: { n: -1 } }), 422, "payload_refused", /must be positive/);
  assert.equal(await stage.broker.record("w"), null);
  assert.equal((await post({ type: "greet", payload: { to: { name: "x" } } })).status, 201);
  assert.equal((await post({ type: "slow", payload: { n: 1 } })).status, 201);
});

test("of many tasks the first that is refused is named, and none is enqueued", async () => {
  const fine = { type: "greet", id: "fine", payload: { to: { name: "x" } } };
  const tasks = [fine, { type: "any" }, { type: "greet", payload: { to: null } }, { type: "greet", payload: 1 }];
  refused(await post({ tasks }), 422, "payload_refused", /^tasks\.2: the payload was refused .*: to: /);
  assert.equal(await stage.broker.record("fine"), null);
});

test("a schedule whose payload the schema refuses is not stored", async () => {
  const body = { cron: "@daily", type: "greet", payload: { to: {} } };
  refused(await ask("PUT", "schedules/wrong", { body }), 422, "payload_refused", /: to\.name: /);
  assert.equal((await ask("GET", "schedules/wrong")).status, 404);
});

test("a type without a schema, one that is not loaded, and a schema that fails refuse nothing", async () => {
  for (const type of ["any", "elsewhere", "throws"]) {
    assert.equal((await post({ type, payload: { to: 1 } })).status, 201, type);
  }
});

/** Tracing channels say on every runtime whether anybody listens, so that libraries do not trace for nobody. */
import assert from "node:assert/strict";
import { tracingChannel } from "node:diagnostics_channel";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";

test("a tracing channel has no subscribers until somebody subscribes, and none again afterwards", () => {
  assert.ok(runtime.name);
  const channel = tracingChannel("taskexe:test");
  const heard = { start() {} };
  assert.equal(Reflect.get(channel, "hasSubscribers"), false);
  channel.start.subscribe(heard.start);
  assert.equal(Reflect.get(channel, "hasSubscribers"), true);
  channel.start.unsubscribe(heard.start);
  assert.equal(Reflect.get(channel, "hasSubscribers"), false);
});

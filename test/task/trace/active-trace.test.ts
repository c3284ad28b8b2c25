/**
 * The trace of code whose own OpenTelemetry API is loaded: found where that API keeps its parts, a context manager and
 * a propagator as an SDK registers them.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { afterEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { activeTrace, inTrace } from "../../../src/task/trace/active-trace.ts";

const API = Symbol.for("opentelemetry.js.api.1");
const TRACE = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1" };

type Carrier = Record<string, string>;
interface Setter {
  set(carrier: Carrier, key: string, value: string): void;
}
interface Getter {
  get(carrier: Carrier, key: string): string | undefined;
}

function register(propagation: object = propagator): void {
  const store = new AsyncLocalStorage<Carrier>();
  const context = {
    active: () => store.getStore() ?? {},
    with: <T>(kept: Carrier, run: () => T) => store.run(kept, run),
  };
  Reflect.set(globalThis, API, { version: "1.9.0", context, propagation });
}

const propagator = {
  inject(kept: Carrier, carrier: Carrier, setter: Setter): void {
    for (const [key, value] of Object.entries(kept)) setter.set(carrier, key, value);
  },
  extract(_: Carrier, carrier: Carrier, getter: Getter): Carrier {
    return {
      traceparent: getter.get(carrier, "traceparent") ?? "",
      tracestate: getter.get(carrier, "tracestate") ?? "",
    };
  },
};

afterEach(() => {
  Reflect.deleteProperty(globalThis, API);
});

test("where no API is loaded there is no trace, and what runs in one just runs", () => {
  assert.equal(activeTrace(), null);
  assert.equal(
    inTrace(TRACE, () => 7),
    7,
  );
});

test("what runs in a trace is in it, however long it takes, and nothing else is", async () => {
  register();
  assert.equal(activeTrace(), null);
  const found = await inTrace(TRACE, async () => {
    await turn();
    return activeTrace();
  });
  assert.deepEqual(found, TRACE);
  assert.equal(activeTrace(), null);
});

test("an API that has no propagator, or one that throws, concerns no task", () => {
  const fail = () => assert.fail("told");
  for (const broken of [{ inject: fail, extract: fail }, {}]) {
    register(broken);
    assert.equal(activeTrace(), null);
    assert.equal(
      inTrace(TRACE, () => 7),
      7,
    );
  }
  Reflect.set(globalThis, API, { version: "1.9.0" });
  assert.equal(activeTrace(), null);
});

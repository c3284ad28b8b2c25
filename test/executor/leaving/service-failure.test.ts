/** A part of the executor that fails by a mistake of ours: what runs still ends, and the error leaves with its path. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { Latch, locateErrors, NurseryError, openRoot } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import { defineTask } from "../../../src/handlers/define-task.ts";
import { HandlerRegistry } from "../../../src/handlers/registry.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { Stage } from "../../stage/stage.ts";

/** A broker in which one call fails with this error from the moment on that `armed` is set. */
function breaking(broker: Broker, call: keyof Broker, error: Error, armed: Latch): Broker {
  return new Proxy(broker, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === call && armed.isSet) return Promise.reject(error);
        return value.apply(target, args);
      };
    },
  });
}

async function withBroker(use: (client: Broker, own: Broker) => Promise<void>): Promise<void> {
  await Stage.with(async (stage) => {
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    const client = await stage.client(url);
    await use(client, await createBroker(url, { executor: "one", queues: ["common"], leaseMs: 600 }));
  });
}

function executorOf(broker: Broker, handlers: HandlerRegistry): Executor {
  const options = { name: "one", version: "0", concurrency: 4, graceMs: 10_000, heartbeatMs: 50 };
  return new Executor({ broker, handlers, options });
}

/** Runs the executor to its end and gives the error it ends with. */
async function failureOf(executor: Executor): Promise<unknown> {
  const error = await executor.run(openRoot()).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof NurseryError, `it ended with ${String(error)}`);
  return error;
}

test("an executor that has not begun has an empty tree", async () => {
  await withBroker(async (_, own) => {
    const { kind, name, children } = await executorOf(own, new HandlerRegistry()).tree();
    assert.deepEqual({ kind, name, children }, { kind: "root", name: "root", children: [] });
  });
});

describe("an executor in which a part fails", () => {
  const parts: [call: keyof Broker, path: string][] = [
    ["promote", "executor > promote"],
    ["renew", "executor > leases"],
    ["beat", "executor > heartbeat"],
    ["cancelled", "executor > cancel watch"],
    ["claim", "executor > attempts > claims > claim"],
    ["reclaim", "executor > attempts > claims > reclaim"],
  ];
  for (const [call, path] of parts) {
    test(`${call}: finishes what runs, then fails with the very error and the path ${path}`, async () => {
      await withBroker(async (client, own) => {
        const error = new TypeError("a mistake of ours");
        const armed = new Latch();
        const handlers = new HandlerRegistry();
        handlers.add(
          defineTask({
            type: "slow",
            async run() {
              armed.set();
              await draining(failing);
              return "finished";
            },
          }),
          "test",
        );
        const failing = executorOf(breaking(own, call, error, armed), handlers);
        await client.enqueue([requestOf("a", "slow", null)]);
        assert.deepEqual(locateErrors(await failureOf(failing)), [{ error, path: path.split(" > ") }]);
        const record = await client.record("a");
        assert.deepEqual([record?.state, record?.result], ["done", "finished"]);
        assert.deepEqual(await client.fleet(), [], "it has left the fleet");
      });
    });
  }

  test("complete: gives up recording, and says so", { timeout: 30_000 }, async () => {
    await withBroker(async (client, own) => {
      const error = new TypeError("a mistake of ours");
      const armed = new Latch();
      armed.set();
      const handlers = new HandlerRegistry();
      handlers.add(defineTask({ type: "quick", run: () => 1 }), "test");
      await client.enqueue([requestOf("a", "quick", null)]);
      const [located] = locateErrors(await failureOf(executorOf(breaking(own, "complete", error, armed), handlers)));
      assert.equal(located?.error, error);
      assert.equal(located?.path.slice(0, 2).join(" > "), "executor > completion");
    });
  });

  test("an attempt: hands back what it stops, and names itself", async () => {
    await withBroker(async (client, own) => {
      const error = new TypeError("a mistake of ours");
      const stopped = new Latch();
      // The broker's own object is asked once more when the handler has ended, for the record of its end.
      const claim = own.claim.bind(own);
      own.claim = async (max, signal) => {
        const deliveries = await claim(max, signal);
        for (const delivery of deliveries.filter(({ raw }) => raw?.includes("doomed"))) {
          Object.defineProperty(delivery, "deliveries", {
            get: () => {
              if (stopped.isSet) throw error;
              return 1;
            },
          });
        }
        return deliveries;
      };
      const handlers = new HandlerRegistry();
      handlers.add(defineTask({ type: "doomed", run: () => stopped.wait(openRoot().signal) }), "test");
      handlers.add(
        defineTask({
          type: "bystander",
          async run({ signal }) {
            stopped.set();
            await new Latch().wait(signal);
          },
        }),
        "test",
      );
      await client.enqueue([requestOf("a", "doomed", null), requestOf("b", "bystander", null)]);
      const failure = await failureOf(executorOf(own, handlers));
      assert.deepEqual(locateErrors(failure), [{ error, path: ["executor", "attempts", "attempt"] }]);
      const [counts] = await client.counts();
      assert.equal(counts?.queued, 1, "the bystander waits for another executor");
    });
  });
});

/** Waits until the executor drains. */
async function draining(executor: Executor): Promise<void> {
  const limit = AbortSignal.timeout(10_000);
  while (executor.status().state !== "draining") {
    limit.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

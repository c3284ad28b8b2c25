/** Ends that cannot be recorded, by a broker that is there for all else: the executor keeps them, and is not ready. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { BrokerRefusedError } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import { defineTask } from "../../../src/handlers/define-task.ts";
import { HandlerRegistry } from "../../../src/handlers/registry.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const SOON_MS = 10_000;

test("an executor whose ends are not recorded is not ready, says so, and is once they are", async () => {
  await Stage.with(async (stage) => {
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    const client = await stage.client(url);
    const own = await createBroker(url, { executor: "one", queues: ["common"], leaseMs: 5_000 });
    let refuses = true;
    const complete = own.complete.bind(own);
    own.complete = (outcomes) => (refuses ? Promise.reject(new BrokerRefusedError("not these")) : complete(outcomes));
    const handlers = new HandlerRegistry();
    handlers.add(defineTask({ type: "quick", run: () => 1 }), "test");
    const options = { name: "one", version: "0", concurrency: 2, graceMs: 1_000 };
    const executor = new Executor({ broker: own, handlers, options });
    const ran = executor.run(openRoot());
    await until("it is ready", SOON_MS, () => executor.readiness().ready);

    await client.enqueue([requestOf("a", "quick", null), requestOf("b", "quick", null)]);
    const reason = await until("it is not ready", SOON_MS, () => {
      const readiness = executor.readiness();
      return readiness.ready ? null : readiness.reason;
    });
    assert.match(reason, /^[12] outcomes could not be recorded for \d+ s$/);
    assert.equal(executor.status().broker.state, "connected");
    refuses = false;
    await until("they are recorded", SOON_MS, async () => (await client.record("b"))?.state === "done");
    await until("it is ready again", SOON_MS, () => executor.readiness().ready);
    executor.drain("the test is over");
    await ran;
    assert.equal(executor.status().done, 2);
  });
});

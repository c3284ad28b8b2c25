/** The last words of an executor: nothing that was under way when it left registers it in the fleet again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { createBroker } from "../../../src/broker/drivers.ts";
import { Latch, openRoot } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import { HandlerRegistry } from "../../../src/handlers/registry.ts";
import { QUEUES } from "../../stage/broker.ts";
import { LedgerStage } from "../../stage/ledger/ledger-stage.ts";

/** How long a beat is held up at the most, in ms. */
const HELD_MS = 300;

for (const { kind, open } of QUEUES) {
  test(`over ${kind} a beat that is under way when an executor leaves does not register it again`, {
    timeout: 60_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const url = await open(stage);
      const client = await stage.client(url);
      const broker = await createBroker(url, { executor: "leaver", queues: ["common"], leaseMs: 30_000 });
      const [beating, left] = [new Latch(), new Latch()];
      const sequence: string[] = [];
      let beats = 0;
      const { beat, leave } = { beat: broker.beat.bind(broker), leave: broker.leave.bind(broker) };
      broker.beat = async (json) => {
        if (++beats === 2) {
          beating.set();
          // Until it has left, if it does not wait for this beat.
          await Promise.race([left.wait(openRoot().signal), pause(HELD_MS)]);
        }
        const order = await beat(json);
        sequence.push("beat");
        return order;
      };
      broker.leave = async (json) => {
        await leave(json);
        sequence.push("leave");
        left.set();
      };
      const limits = { concurrency: 1, graceMs: 1_000, heartbeatMs: 10 };
      const options = { name: "leaver", version: "0", ...limits };
      const executor = new Executor({ broker, handlers: new HandlerRegistry(), options });
      const running = executor.run(openRoot());
      await beating.wait(openRoot().signal);
      executor.drain("enough");
      await running;
      assert.equal(sequence.at(-1), "leave", sequence.join(" "));
      assert.deepEqual(await client.fleet(), []);
    });
  });
}

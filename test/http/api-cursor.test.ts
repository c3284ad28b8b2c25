/**
 * The cursors of lists over HTTP: those that a list gives are taken, whichever the broker, and no others are asked for.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { ApiStage, refused } from "../stage/api.ts";
import { claimAll, dead } from "../stage/outcomes.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";
import { SLOW } from "../stage/stage.ts";

let stage: ApiStage;
let server: RedisServer;
let redis: Broker;
before(async () => {
  [stage, server] = await Promise.all([ApiStage.open(), startRedis()]);
  redis = await createBroker(server.url, { executor: "x", queues: ["common", "other"], leaseMs: 30_000 });
  await redis.open(openRoot().signal);
});
after(async () => {
  await redis.close();
  await server.stop();
  await stage.end();
});

/** What no broker writes. */
const NO_CURSOR = [
  "",
  "0",
  ":",
  "0:x",
  "0:1-",
  "0:-",
  "0:--1",
  "0:-2",
  "0:1-2-3",
  "0:99999999999999999999",
  "1234567:0",
  " 0:0",
  "a".repeat(121),
];
/** As cursors look, with nothing in them that this list has given. */
const NONSENSE = [
  "nonsense",
  ...["0:x", "0:1-", "0:-2", "0:1-2-3", "0:99999999999999999999", "1234567:0", "0"].map((text) =>
    Buffer.from(text).toString("base64url"),
  ),
];

for (const kind of ["sqlite", "redis"] as const) {
  test(`${kind}: a list goes on from each of its cursors to its end, and from no other`, SLOW, async () => {
    const broker = kind === "redis" ? redis : stage.broker;
    const ask = stage.app({ broker });
    const tasks = ["dead", "running", "first", "last"].map((id) => ({ type: "listed", id }));
    await ask("POST", "tasks", { body: { tasks: tasks.slice(0, 1) } });
    await broker.complete((await claimAll(broker, 1)).map((it) => dead(it, { reason: "no luck" })));
    await ask("POST", "tasks", { body: { tasks: tasks.slice(1, 2) } });
    await claimAll(broker, 1);
    await ask("POST", "tasks", { body: { tasks: tasks.slice(2) } });
    for (const id of ["due1", "due2"]) await ask("POST", "tasks", { body: { type: "listed", id, delay_ms: 60_000 } });

    const ids: string[] = [];
    let query = "limit=1";
    for (let more = true; more; ) {
      const { status, body } = await ask("GET", `tasks?${query}`);
      assert.equal(status, 200, JSON.stringify(body));
      ids.push(...body.tasks.map(({ id }: { id: string }) => id));
      query = `limit=1&cursor=${encodeURIComponent(body.cursor)}`;
      more = body.cursor !== null;
    }
    assert.deepEqual(ids, ["running", "first", "last", "due1", "due2", "dead"]);

    for (const cursor of [...NO_CURSOR, ...NONSENSE]) {
      const reply = await ask("GET", `tasks?cursor=${encodeURIComponent(cursor)}`);
      refused(reply, 400, "invalid", /^query: cursor: .*is not one that a list has given$/);
    }
  });
}

test("a cursor that no list can have given does not reach the broker", async () => {
  const never: Broker = Object.create(stage.broker, {
    list: {
      value: () => {
        throw new Error("it was asked");
      },
    },
  });
  const ask = stage.app({ broker: never });
  for (const cursor of NO_CURSOR) {
    refused(
      await ask("GET", `tasks?cursor=${encodeURIComponent(cursor)}`),
      400,
      "invalid",
      /^query: cursor: is not one/,
    );
  }
});

/** Cron schedules as the broker keeps them; when they are due is worked out elsewhere. */
import assert from "node:assert/strict";
import type { ScheduleDefinition } from "../../../src/broker/administration.ts";
import { claimOne, countOf, idOf, NOTHING, QUEUE, type Sentence, task } from "./harness.ts";

const DUE = 1_800_000_000_000;
const NEXT = DUE + 60_000;

function nightly(other: Partial<ScheduleDefinition> = {}): ScheduleDefinition {
  return {
    name: "nightly",
    cron: "0 3 * * *",
    timezone: null,
    type: "noop",
    queue: QUEUE,
    priority: 0,
    payload: '{"deep":true}',
    retentionMs: 60_000,
    ...other,
  };
}

export function scheduleSentences(sentence: Sentence): void {
  sentence("schedules are kept by name, replaced and removed", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    assert.deepEqual(await broker.schedules(), []);
    const hourly = nightly({ name: "hourly", timezone: "Europe/Berlin", priority: 1 });
    await client.putSchedule(nightly(), DUE);
    await client.putSchedule(hourly, null);
    assert.deepEqual(await broker.schedules(), [
      { ...hourly, nextAt: null, lastAt: null },
      { ...nightly(), nextAt: DUE, lastAt: null },
    ]);
    await broker.putSchedule(nightly({ cron: "0 4 * * *" }), NEXT);
    assert.deepEqual((await client.schedules())[1], { ...nightly({ cron: "0 4 * * *" }), nextAt: NEXT, lastAt: null });
    assert.equal(await broker.removeSchedule("hourly"), true);
    assert.equal(await broker.removeSchedule("hourly"), false);
    assert.deepEqual(
      (await broker.schedules()).map(({ name }) => name),
      ["nightly"],
    );
  });

  sentence("of five who fire a schedule at once, one does, and one task is enqueued", async (stage) => {
    const brokers = await Promise.all(["a", "b", "c", "d", "e"].map((name) => stage.open(name)));
    const [broker] = brokers;
    assert.ok(broker);
    await broker.putSchedule(nightly(), DUE);
    for (const [dueAt, nextAt, round] of [
      [DUE, NEXT, 1],
      [NEXT, null, 2],
    ] as const) {
      const fired = await Promise.all(
        brokers.map((each, index) => each.fireSchedule("nightly", dueAt, nextAt, task(`${round} by ${index}`))),
      );
      assert.equal(fired.filter((did) => did).length, 1);
      assert.deepEqual(await broker.schedules(), [{ ...nightly(), nextAt, lastAt: dueAt }]);
      assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, running: round - 1 });
      assert.equal(idOf(await claimOne(broker, stage.signal)), `${round} by ${fired.indexOf(true)}`);
    }
  });

  sentence("a schedule that was changed or removed does not fire for its old time", async (stage) => {
    const broker = await stage.open("a");
    await broker.putSchedule(nightly(), DUE);
    await broker.putSchedule(nightly(), NEXT);
    assert.equal(await broker.fireSchedule("nightly", DUE, NEXT, task("one")), false);
    assert.equal(await broker.fireSchedule("nobody", DUE, NEXT, task("one")), false);
    assert.equal(await broker.fireSchedule("nightly", NEXT, null, task("two")), true);
    // Replacing it does not forget when it fired last.
    await broker.putSchedule(nightly({ payload: "2" }), NEXT + 1);
    assert.deepEqual(await broker.schedules(), [{ ...nightly({ payload: "2" }), nextAt: NEXT + 1, lastAt: NEXT }]);
    await broker.removeSchedule("nightly");
    assert.equal(await broker.fireSchedule("nightly", NEXT + 1, null, task("three")), false);
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1 });
  });
}

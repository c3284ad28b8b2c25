/** Cron schedules, fired by executors that know nothing of each other. */
import assert from "node:assert/strict";
import type { ScheduleDefinition } from "../../src/broker/administration.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { openRoot, withNursery } from "../../src/concurrency/index.ts";
import { fireDue, fireSchedules } from "../../src/executor/schedules.ts";
import { onBothBrokers } from "../client/stage.ts";
import { until } from "../support/until.ts";

const HOUR_MS = 3_600_000;

const schedule = (name: string, other: Partial<ScheduleDefinition> = {}): ScheduleDefinition => ({
  ...{ name, cron: "@hourly", timezone: null, type: "report", queue: "common" },
  ...{ priority: 0, payload: '{"of":1}', retentionMs: 60_000, ...other },
});

async function queued(broker: Broker): Promise<readonly string[]> {
  return (await broker.list({ state: "queued", limit: 1_000 })).tasks.map(({ id }) => id);
}

onBothBrokers("a schedule that is due is fired once, however many executors look", async (stage) => {
  const fleet = [];
  for (const name of ["one", "two", "three"]) fleet.push(await stage.executor(name));
  const [first] = fleet;
  assert.ok(first);
  const dueAt = Math.round(first.now()) - 5;
  await first.putSchedule(schedule("hourly"), dueAt);
  const before = first.now();
  await Promise.all(fleet.flatMap((broker) => [fireDue(broker, new Set()), fireDue(broker, new Set())]));
  assert.deepEqual(await queued(first), [`cron-hourly-${dueAt}`]);
  const [stored] = await first.schedules();
  assert.equal(stored?.lastAt, dueAt);
  assert.ok(stored.nextAt !== null && stored.nextAt > before && stored.nextAt <= first.now() + HOUR_MS);
  const record = await first.record(`cron-hourly-${dueAt}`);
  assert.deepEqual(JSON.parse(record?.message ?? "").payload, { of: 1 });
});

onBothBrokers("runs that were missed are caught up once", async (stage) => {
  const broker = await stage.executor();
  // Hourly, so that none comes due between the two looks.
  await broker.putSchedule(schedule("missed"), Math.round(broker.now()) - 5 * HOUR_MS);
  await fireDue(broker, new Set());
  const pauseMs = await fireDue(broker, new Set());
  assert.equal((await queued(broker)).length, 1);
  assert.ok(pauseMs >= 5 && pauseMs <= 1_000);
});

onBothBrokers("a schedule that cannot be fired is told once and keeps nobody else from firing", async (stage) => {
  const broker = await stage.executor();
  const now = Math.round(broker.now());
  await broker.putSchedule(schedule("a-broken", { cron: "nonsense" }), now - 5);
  await broker.putSchedule(schedule("b-broken", { payload: "{" }), now - 5);
  await broker.putSchedule(schedule("c-whole"), now - 5);
  const told = new Set<string>();
  await fireDue(broker, told);
  await fireDue(broker, told);
  assert.deepEqual([...told], ["a-broken", "b-broken"]);
  assert.deepEqual(await queued(broker), [`cron-c-whole-${now - 5}`]);
});

onBothBrokers(
  "each second has its run while executors are up, none twice, and none after the removal",
  async (stage) => {
    const brokers = [await stage.executor("one"), await stage.executor("two")] as const;
    const [broker] = brokers;
    await broker.putSchedule(schedule("ticks", { cron: "* * * * * *" }), Math.round(broker.now()));
    const root = openRoot();
    await withNursery(root, async (nursery) => {
      for (const one of brokers) nursery.startSoon((task) => fireSchedules(one, task.signal));
      const ids = await until("it has fired four times", 15_000, async () => {
        const seen = await queued(broker);
        return seen.length >= 4 ? seen : null;
      });
      const times = ids.map((id) => Number(id.slice("cron-ticks-".length)));
      assert.equal(new Set(times).size, times.length);
      for (const at of times.slice(1)) assert.equal(at % 1_000, 0);
      await broker.removeSchedule("ticks");
      nursery.scope.cancel("seen enough");
    });
    const left = await queued(broker);
    await fireDue(broker, new Set());
    assert.deepEqual(await queued(broker), left);
  },
);

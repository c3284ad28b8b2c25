/**
 * Cron schedules, fired by executors that know nothing of each other.
 * @long about 12 s
 */

import assert from "node:assert/strict";
import type { Broker } from "../../../src/broker/broker.ts";
import type { ScheduleState } from "../../../src/broker/contract/schedules.ts";
import { NEW_STATE } from "../../../src/broker/schedule-text.ts";
import { openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { type DefinitionOf, ScheduleFiring } from "../../../src/executor/upkeep/schedules.ts";
import { type NewSchedule, putSchedule } from "../../../src/operations/schedules/put-schedule.ts";
import { allSchedules, findSchedule } from "../../../src/operations/schedules/schedule.ts";
import { pauseSchedule, resumeSchedule, runSchedule } from "../../../src/operations/schedules/schedule-control.ts";
import { stateOf } from "../../../src/operations/schedules/schedule-runs.ts";
import type { ScheduleDefaults } from "../../../src/task/options/schedule-options.ts";
import { type BrokerStage, onBothBrokers } from "../../stage/broker.ts";
import { claimAll, dead, done } from "../../stage/outcomes.ts";
import { quickEnough } from "../../stage/quick-enough.ts";
import { until } from "../../stage/until.ts";

const HOUR_MS = 3_600_000;

const nothingSaid: DefinitionOf = () => ({});

function firing(broker: Broker, definitionOf = nothingSaid): ScheduleFiring {
  return new ScheduleFiring(broker, definitionOf);
}

async function put(
  broker: Broker,
  name: string,
  other: Partial<NewSchedule> = {},
  defaults: ScheduleDefaults | null = {},
) {
  const schedule = { cron: "@hourly", type: "report", payload: { of: 1 }, ...other, name };
  return putSchedule(broker, schedule, {
    retentionMs: 60_000,
    known: defaults === null ? undefined : { options: defaults },
  });
}

/** As if time had passed, or somebody had written nonsense. */
async function change(
  broker: Broker,
  name: string,
  state: Partial<ScheduleState>,
  definition: { cron?: string; payload?: string } = {},
): Promise<void> {
  const stored = await broker.schedule(name);
  assert.ok(stored);
  const { changed } = await broker.changeSchedule({
    name,
    revision: stored.revision,
    definition: { ...stored, ...definition },
    state: { ...stateOf(stored), ...state },
  });
  assert.ok(changed);
}

/** It was due a moment ago; gives when. */
async function makeDue(broker: Broker, name: string, agoMs = 5): Promise<number> {
  const nextAt = Math.round(broker.now()) - agoMs;
  await change(broker, name, { nextAt });
  return nextAt;
}

async function queued(broker: Broker): Promise<readonly string[]> {
  return (await broker.list({ state: "queued", limit: 1_000 })).tasks.map(({ id }) => id);
}

async function runsOf(broker: Broker, name: string) {
  return (await findSchedule(broker, name))?.runs.map(({ at, state }) => [at, state]);
}

onBothBrokers("a schedule that is due is fired once, however many executors look", async (stage) => {
  const fleet = [];
  for (const name of ["one", "two", "three"]) fleet.push(await stage.executor(name));
  const [first] = fleet;
  assert.ok(first);
  await put(first, "hourly");
  const dueAt = await makeDue(first, "hourly");
  const before = first.now();
  await Promise.all(fleet.flatMap((broker) => [firing(broker).look(), firing(broker).look()]));
  assert.deepEqual(await queued(first), [`cron-hourly-${dueAt}`]);
  const stored = await findSchedule(first, "hourly");
  assert.equal(stored?.lastAt, dueAt);
  assert.deepEqual(stored.runs, [{ id: `cron-hourly-${dueAt}`, at: dueAt, state: "queued" }]);
  assert.ok(stored.nextAt !== null && stored.nextAt > before && stored.nextAt <= first.now() + HOUR_MS);
  const record = await first.record(`cron-hourly-${dueAt}`);
  assert.deepEqual(JSON.parse(record?.message ?? "").payload, { of: 1 });
});

onBothBrokers("runs that were missed are caught up once", async (stage) => {
  const broker = await stage.executor();
  // Hourly, so that none comes due between the two looks.
  await put(broker, "missed");
  await makeDue(broker, "missed", 5 * HOUR_MS);
  const fires = firing(broker);
  await fires.look();
  const pauseMs = await fires.look();
  assert.equal((await queued(broker)).length, 1);
  assert.ok(pauseMs >= 5 && pauseMs <= 1_000);
});

onBothBrokers("putting the same again keeps the next time and a run that was missed", async (stage) => {
  const broker = await stage.executor();
  const first = await put(broker, "steady", { cron: "@every 30s" });
  const again = await put(broker, "steady", { cron: " @every 30s", payload: { of: 2 }, attempts: 7 });
  assert.deepEqual([again.nextAt, again.payload, again.attempts], [first.nextAt, '{"of":2}', 7]);
  const missedAt = await makeDue(broker, "steady", HOUR_MS);
  assert.equal((await put(broker, "steady", { cron: "@every 30s" })).nextAt, missedAt);
  await firing(broker).look();
  assert.deepEqual(await queued(broker), [`cron-steady-${missedAt}`]);
  const fired = await findSchedule(broker, "steady");
  const redeployed = await put(broker, "steady", { cron: "@every 30s" });
  assert.deepEqual([redeployed.nextAt, redeployed.runs], [fired?.nextAt, fired?.runs]);
  // On the grid of the first time, not of when it was fired.
  assert.equal(((fired?.nextAt ?? 0) - missedAt) % 30_000, 0);
  const other = await put(broker, "steady", { cron: "@every 45s" });
  const inMs = (other.nextAt ?? 0) - broker.now();
  assert.ok(inMs > 30_000 && inMs <= 45_001, `another pattern begins anew, in ${inMs} ms`);
  const daily = await put(broker, "daily", { cron: "0 4 * * *" });
  const there = await put(broker, "daily", { cron: "0 4 * * *", timezone: "Asia/Tokyo" });
  assert.notEqual(there.nextAt, daily.nextAt);
});

onBothBrokers("a schedule that cannot be fired is told once and keeps nobody else from firing", async (stage) => {
  const broker = await stage.executor();
  for (const name of ["a-broken", "b-broken", "c-whole"]) await put(broker, name);
  const nextAt = Math.round(broker.now()) - 5;
  await change(broker, "a-broken", { nextAt }, { cron: "nonsense" });
  await change(broker, "b-broken", { nextAt }, { payload: "{" });
  await change(broker, "c-whole", { nextAt });
  const fires = firing(broker);
  await fires.look();
  await fires.look();
  assert.deepEqual(fires.told, ["a-broken", "b-broken"]);
  assert.deepEqual(await queued(broker), [`cron-c-whole-${nextAt}`]);
});

onBothBrokers("what a definition says counts, whoever put the schedule and whoever fires it", async (stage) => {
  const [knows, ignores] = [await stage.executor("knows"), await stage.executor("ignores")];
  const definition = { queue: "other", priority: 1, retentionMs: 5_000, deadlineMs: HOUR_MS, unique: {}, run: null };
  const defaults: DefinitionOf = (type) => (type === "report" ? definition : undefined);
  // As the command line puts it: nobody tells of the definition.
  const blind = await put(ignores, "nightly", {}, null);
  assert.deepEqual([blind.queue, blind.overlap, blind.retentionMs], ["common", "allow", 60_000]);
  await firing(knows, defaults).look();
  const told = await findSchedule(ignores, "nightly");
  assert.deepEqual([told?.queue, told?.priority, told?.retentionMs], ["other", 1, 5_000]);
  assert.deepEqual([told?.overlap, told?.deadlineMs], ["skip", HOUR_MS]);
  const dueAt = await makeDue(knows, "nightly");
  await firing(ignores, () => undefined).look();
  const record = await knows.record(`cron-nightly-${dueAt}`);
  assert.deepEqual([record?.queue, record?.priority], ["other", 1]);
  const { taskexe } = JSON.parse(record?.message ?? "{}");
  assert.equal(taskexe.retention_ms, 5_000);
  const leftMs = taskexe.deadline_at - knows.now();
  assert.ok(leftMs > HOUR_MS - 60_000 && leftMs <= HOUR_MS);
  assert.match(taskexe.unique_key, /^report:/);

  // What is said with the schedule wins, and is kept when an executor starts with another definition.
  await put(ignores, "nightly", { queue: "common", unique: null, overlap: "allow" }, null);
  await firing(knows, () => ({ queue: "elsewhere", priority: 0 })).look();
  const said = await findSchedule(ignores, "nightly");
  assert.deepEqual([said?.queue, said?.priority, said?.unique, said?.overlap], ["common", 0, null, "allow"]);
});

onBothBrokers("a schedule that is put anew between two looks is told what its definition says again", async (stage) => {
  const broker = await stage.executor();
  const fires = firing(broker, () => ({ queue: "other" }));
  await put(broker, "again", {}, null);
  await fires.look();
  await broker.removeSchedule("again");
  await put(broker, "again", {}, null);
  await fires.look();
  assert.equal((await findSchedule(broker, "again"))?.queue, "other");
});

onBothBrokers("schedules may have any name of theirs, and a pattern is bounded on every front", async (stage) => {
  const broker = await stage.executor();
  for (const name of ["__proto__", "constructor"]) {
    await put(broker, name);
    const dueAt = await makeDue(broker, name);
    await firing(broker).look();
    assert.deepEqual(await runsOf(broker, name), [[dueAt, "queued"]]);
  }
  assert.deepEqual(
    (await allSchedules(broker)).map(({ name }) => name),
    ["__proto__", "constructor"],
  );
  await assert.rejects(put(broker, "long", { cron: `${"0,".repeat(200)}0 * * * *` }), /cron: must be at most 200/);
  await assert.rejects(put(broker, "nowhere", { timezone: "" }), /"" is no time zone: expected an IANA name/);
  const utc = await put(broker, "utc");
  await makeDue(broker, "utc", HOUR_MS);
  assert.ok(((await put(broker, "utc", { timezone: "UTC" })).nextAt ?? 0) < (utc.nextAt ?? 0), "UTC is no other zone");
});

onBothBrokers("a run whose type nobody has told of is left to executors that know it, for a moment", async (stage) => {
  const broker = await stage.executor();
  const unknown = firing(broker, () => undefined);
  await put(broker, "strange", {}, null);
  await makeDue(broker, "strange");
  await unknown.look();
  assert.deepEqual(await queued(broker), []);
  await makeDue(broker, "strange", 2_500);
  await unknown.look();
  assert.equal((await queued(broker)).length, 1);
  // From then on nobody is waited for.
  await makeDue(broker, "strange");
  await unknown.look();
  assert.equal((await queued(broker)).length, 2);
});

/** A schedule whose first run has been claimed, and that was due once more. */
async function dueWhileOneRuns(stage: BrokerStage, overlap: "skip" | "queue") {
  const broker = await stage.executor();
  await put(broker, "one", { overlap });
  const first = await makeDue(broker, "one");
  const fires = firing(broker);
  await fires.look();
  const [running] = await claimAll(broker, 1);
  assert.ok(running);
  const second = await makeDue(broker, "one");
  await fires.look();
  return { broker, fires, first, running, second };
}

onBothBrokers("with overlap skip a run is left out while an earlier one has not ended", async (stage) => {
  const { broker, fires, first, running, second } = await dueWhileOneRuns(stage, "skip");
  const busy = await findSchedule(broker, "one");
  assert.deepEqual([busy?.runs.length, busy?.skipped, busy?.lastSkippedAt], [1, 1, second]);
  assert.ok((busy?.nextAt ?? 0) > second);
  assert.equal(busy?.runs[0]?.state, "running");
  const byHand = await runSchedule(broker, "one");
  assert.deepEqual(byHand, { id: `cron-one-${first}`, created: false, state: "running" });
  await broker.complete([done(running, { result: "1" })]);
  const third = await makeDue(broker, "one");
  await fires.look();
  assert.deepEqual(await queued(broker), [`cron-one-${third}`]);
  assert.deepEqual(await runsOf(broker, "one"), [
    [third, "queued"],
    [first, "done"],
  ]);
});

onBothBrokers("with overlap queue one run waits for the end of the one before, and no more", async (stage) => {
  const { broker, fires, first, running, second } = await dueWhileOneRuns(stage, "queue");
  assert.equal((await findSchedule(broker, "one"))?.waitingAt, second);
  await makeDue(broker, "one");
  await fires.look();
  const waiting = await findSchedule(broker, "one");
  assert.deepEqual([waiting?.waitingAt, waiting?.skipped], [second, 1]);
  assert.deepEqual(await queued(broker), []);
  const byHand = await runSchedule(broker, "one");
  assert.deepEqual(byHand, { id: `cron-one-${second}`, created: false, state: "scheduled" });
  await broker.complete([dead(running, { reason: "it could not" })]);
  await Promise.all([firing(broker).look(), firing(broker).look(), fires.look()]);
  assert.deepEqual(await queued(broker), [`cron-one-${second}`]);
  assert.deepEqual(await runsOf(broker, "one"), [
    [second, "queued"],
    [first, "dead"],
  ]);
});

onBothBrokers("overlap skip holds for runs that keep no record", async (stage) => {
  const broker = await stage.executor();
  await put(broker, "fleeting", { overlap: "skip", retentionMs: 0 });
  await makeDue(broker, "fleeting");
  const fires = firing(broker);
  await fires.look();
  await makeDue(broker, "fleeting");
  await fires.look();
  const busy = await findSchedule(broker, "fleeting");
  assert.deepEqual([busy?.runs.length, busy?.skipped], [1, 1]);
});

onBothBrokers("runs overlap where they may, and the last ten are told with their ends", async (stage) => {
  const broker = await stage.executor();
  await put(broker, "busy");
  const fires = firing(broker);
  const dues: number[] = [];
  for (let n = 0; n < 12; n++) {
    dues.push(await makeDue(broker, "busy", 100 - n));
    await fires.look();
  }
  assert.equal((await queued(broker)).length, 12);
  const [oldest, second, third] = await claimAll(broker, 3);
  assert.ok(oldest && second && third);
  await broker.complete([done(third, { result: "null" })]);
  await broker.cancel([`cron-busy-${dues[11]}`]);
  const runs = (await findSchedule(broker, "busy"))?.runs;
  assert.deepEqual(
    runs?.map(({ at }) => at),
    dues.slice(2).reverse(),
  );
  assert.deepEqual(
    runs?.map(({ state }) => state),
    ["cancelled", ...Array(8).fill("queued"), "done"],
  );
  // An end is remembered when its record is gone.
  await firing(broker).look();
  await broker.purge({ state: "done" }, 10);
  assert.equal((await findSchedule(broker, "busy"))?.runs.at(-1)?.state, "done");
});

onBothBrokers(
  "a run by hand leaves the next time as it is, and the same request again is the same run",
  async (stage) => {
    const broker = await stage.executor();
    const { nextAt } = await put(broker, "nightly", { queue: "other" });
    const at = Math.round(broker.now());
    const receipt = await runSchedule(broker, "nightly", at);
    assert.deepEqual(receipt, { id: `cron-nightly-${at}`, created: true, state: "queued" });
    assert.deepEqual(await runSchedule(broker, "nightly", at), receipt);
    assert.equal((await broker.record(receipt.id))?.queue, "other");
    const after = await findSchedule(broker, "nightly");
    assert.deepEqual([after?.nextAt, after?.lastAt, after?.runs.length], [nextAt, null, 1]);
    await assert.rejects(runSchedule(broker, "nobody"), /^UnknownScheduleError: there is no schedule "nobody"$/);
  },
);

/** How often a broker was asked for what. */
function counting(broker: Broker): { readonly broker: Broker; readonly asked: Map<string, number> } {
  const asked = new Map<string, number>();
  const proxy = new Proxy(broker, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        asked.set(String(name), (asked.get(String(name)) ?? 0) + 1);
        return value.apply(target, args);
      };
    },
  });
  return { broker: proxy, asked };
}

onBothBrokers("schedules that are not due cost an executor one question a look, and none is read", async (stage) => {
  const { broker, asked } = counting(await stage.executor());
  for (let index = 0; index < 30; index += 1) await put(broker, `hourly-${index}`);
  const fires = firing(broker);
  await fires.look();
  for (let looks = 0; looks < 5; looks += 1) {
    asked.clear();
    const pauseMs = await fires.look();
    assert.ok(pauseMs > 500, `${pauseMs}`);
    assert.deepEqual([...asked], [["takeSchedules", 1]]);
  }
});

/** So many schedules, all of which come due then. */
async function putMany(broker: Broker, prefix: string, count: number, nextAt: number): Promise<void> {
  const definition = { cron: "@hourly", timezone: null, type: "report", payload: "null", overlap: null };
  const rest = { options: {}, defaults: {}, retentionMs: 60_000 };
  for (let at = 0; at < count; at += 1_000) {
    const names = Array.from({ length: 1_000 }, (_, index) => `${prefix}-${at + index}`);
    const puts = names.map((name) => {
      const put = { name, revision: null, definition: { name, ...definition, ...rest } };
      return broker.changeSchedule({ ...put, state: { ...NEW_STATE, nextAt } });
    });
    await Promise.all(puts);
  }
}

onBothBrokers("10 000 that come due in one instant beside others are enqueued at once, once each", async (stage) => {
  const [COUNT, OTHERS] = [10_000, 10_000];
  const brokers = [await stage.executor("one"), await stage.executor("two")] as const;
  const [broker] = brokers;
  await putMany(broker, "other", OTHERS, Math.round(broker.now()) + 24 * HOUR_MS);
  const fleet = brokers.map((one) => firing(one));
  for (const fires of fleet) await fires.look();
  let due = 0;
  // About a second on a quiet machine; scripts/soak/schedules.ts tells the figure.
  await quickEnough(`${COUNT} schedules`, 8_000, async (attempt) => {
    const nextAt = Math.round(broker.now()) + 1_000;
    await putMany(broker, `many-${attempt}`, COUNT, nextAt);
    due += COUNT;
    assert.equal(await broker.countSchedules(), OTHERS + due);
    for (const fires of fleet) await fires.look();
    await until("they are due", 10_000, () => broker.now() > nextAt);
    const began = performance.now();
    await Promise.all(fleet.map((fires) => fires.look()));
    return performance.now() - began;
  });
  const counts = await broker.counts();
  assert.equal(
    counts.reduce((sum, { queued: n }) => sum + n, 0),
    due,
  );
});

onBothBrokers("a schedule whose executor died over it is fired by another a moment later", async (stage) => {
  const broker = await stage.executor();
  const fires = firing(broker);
  await fires.look();
  await put(broker, "left");
  const dueAt = await makeDue(broker, "left");
  const taken = await broker.takeSchedules(null, 10);
  assert.deepEqual(
    taken.due.map(({ name }) => name),
    ["left"],
  );
  await fires.look();
  assert.deepEqual(await queued(broker), []);
  await until("it is fired", 10_000, async () => {
    await fires.look();
    return (await queued(broker)).length > 0;
  });
  assert.deepEqual(await queued(broker), [`cron-left-${dueAt}`]);
});

onBothBrokers("a paused schedule fires nothing, runs by hand, and catches nothing up", async (stage) => {
  const broker = await stage.executor();
  await put(broker, "nightly");
  await makeDue(broker, "nightly", HOUR_MS);
  const paused = await pauseSchedule(broker, "nightly");
  assert.deepEqual([paused.paused, paused.nextAt], [true, null]);
  const fires = firing(broker);
  await fires.look();
  assert.deepEqual(await queued(broker), []);
  // A deploy does not resume it, whatever it changes.
  assert.equal((await put(broker, "nightly", { cron: "@daily" })).paused, true);
  assert.equal((await pauseSchedule(broker, "nightly")).paused, true);
  const { id } = await runSchedule(broker, "nightly");
  assert.deepEqual(await queued(broker), [id]);
  const before = broker.now();
  const resumed = await resumeSchedule(broker, "nightly");
  assert.equal(resumed.paused, false);
  assert.ok(resumed.nextAt !== null && resumed.nextAt > before);
  assert.deepEqual(await resumeSchedule(broker, "nightly"), resumed);
  await fires.look();
  assert.deepEqual(await queued(broker), [id]);
  await assert.rejects(pauseSchedule(broker, "nobody"), /there is no schedule "nobody"/);
});

onBothBrokers(
  "each second has its run while executors are up, none twice, and none after the removal",
  async (stage) => {
    const brokers = [await stage.executor("one"), await stage.executor("two")] as const;
    const [broker] = brokers;
    await put(broker, "ticks", { cron: "* * * * * *" });
    const root = openRoot();
    await withNursery(root, async (nursery) => {
      for (const one of brokers) nursery.startSoon((task) => firing(one).run(task.signal));
      const ids = await until("it has fired four times", 15_000, async () => {
        const seen = await queued(broker);
        return seen.length >= 4 ? seen : null;
      });
      const times = ids.map((id) => Number(id.slice("cron-ticks-".length)));
      assert.equal(new Set(times).size, times.length);
      for (const at of times) assert.equal(at % 1_000, 0);
      await broker.removeSchedule("ticks");
      nursery.scope.cancel("seen enough");
    });
    const left = await queued(broker);
    await firing(broker).look();
    assert.deepEqual(await queued(broker), left);
  },
);

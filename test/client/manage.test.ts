import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { type Broker, BrokerUnavailableError } from "../../src/broker/broker.ts";
import { Client } from "../../src/client/client.ts";
import { ClientClosedError } from "../../src/client/errors.ts";
import { defineTask, type PurgeQuery, UnknownTaskError, type WatchEvent } from "../../src/index.ts";
import { onBothBrokers } from "../stage/broker.ts";
import { claimAll, dead, done } from "../stage/outcomes.ts";
import { until } from "../stage/until.ts";

function shortly(event: WatchEvent): string {
  switch (event.kind) {
    case "state":
      return event.state;
    case "log":
      return `log ${event.line.text}`;
    case "progress":
      return `${event.progress} ${event.message}`;
    case "waiting":
      return `waiting: ${event.reason}`;
    case "end":
      return `end ${event.task?.state ?? "unknown"}`;
  }
}

const short = (events: readonly WatchEvent[]): string[] => events.map(shortly);

onBothBrokers("what waits is run now or changed, and a payload is checked by its definition", async (stage) => {
  const client = await stage.connect();
  const sized = defineTask({ type: "sized", payload: v.object({ size: v.number() }), run: () => null });
  await client.enqueue(sized, { size: 1 }, { id: "s", delayMs: 3_600_000 });
  await assert.rejects(client.edit("s", { payload: { size: "large" } }, sized), /size/);
  await assert.rejects(client.edit("s", {}), /must change something/);
  assert.deepEqual(await client.edit("s", { payload: { size: 2 }, priority: 1 }, sized), {
    ...{ id: "s", state: "scheduled", edited: true },
  });
  assert.deepEqual(await client.promote("s"), [{ id: "s", state: "scheduled", promoted: true }]);
  assert.equal(await client.promote({ type: "sized" }), 0);
  assert.match((await client.task("s"))?.message ?? "", /"size":2/);
  await client.cancel("s");
  await assert.rejects(client.retry("s", { payload: { size: null }, task: sized }), /size/);
  assert.equal((await client.task("s"))?.state, "cancelled");
  assert.deepEqual(await client.retry("s", { payload: { size: 3 }, task: sized }), [
    { id: "s", state: "cancelled", retried: true },
  ]);
  assert.match((await client.task("s"))?.message ?? "", /"size":3/);
});

onBothBrokers("watch tells states, log lines and progress as they come, and ends with the task", async (stage) => {
  const client = await stage.connect();
  const executor = await stage.executor();
  await client.enqueue("work", 1, { id: "w" });
  const events: WatchEvent[] = [];
  const watching = (async () => {
    for await (const event of client.watch("w")) events.push(event);
  })();
  const seen = (what: string) => until(what, 20_000, () => short(events).includes(what));
  await seen("queued");
  const [delivery] = await claimAll(executor, 1);
  assert.ok(delivery);
  await seen("running");
  const write = { delivery, id: "w", type: "work", attempt: 1, startedAt: Date.now() };
  await executor.writeProgress([{ ...write, progress: 0.25, progressMsg: "10:00:00 begun" }]);
  await executor.appendLogs([{ id: "w", queue: "te", lines: [{ at: 1, level: "info", text: "one" }] }]);
  await seen("0.25 10:00:00 begun");
  await executor.appendLogs([{ id: "w", queue: "te", lines: [{ at: 2, level: "info", text: "two" }] }]);
  await executor.writeProgress([{ ...write, progress: 0.5, progressMsg: "10:00:00 begun\n10:00:01 half" }]);
  await seen("0.5 10:00:01 half");
  await executor.complete([done(delivery, { result: JSON.stringify({ answer: 42 }) })]);
  await watching;
  const told = short(events);
  assert.deepEqual(
    told.filter((event) => event.startsWith("log")),
    ["log one", "log two"],
  );
  assert.equal(told.at(-1), "end done");
  const last = events.at(-1);
  assert.deepEqual(last?.kind === "end" && last.task?.result, { answer: 42 });
  assert.deepEqual(await client.logs("w"), [
    { at: 1, level: "info", text: "one" },
    { at: 2, level: "info", text: "two" },
  ]);
});

onBothBrokers("watch of a task that has ended tells how, of one that is not known fails", async (stage) => {
  const client = await stage.connect();
  await client.enqueue("work", 1, { id: "gone" });
  await client.cancel("gone");
  const events: WatchEvent[] = [];
  for await (const event of client.watch("gone")) events.push(event);
  assert.deepEqual(short(events).slice(-1), ["end cancelled"]);
  await assert.rejects(client.watch("nobody").next(), UnknownTaskError);
});

onBothBrokers("watch ends with the signal's reason, by a break, and with the client", async ({ connect }) => {
  const client = await connect();
  await client.enqueue("work", 1, { id: "still" });
  const controller = new AbortController();
  const aborted = client.watch("still", { signal: controller.signal });
  assert.equal((await aborted.next()).value?.kind, "state");
  const next = aborted.next();
  controller.abort(new Error("seen enough"));
  await assert.rejects(next, /seen enough/);
  for await (const event of client.watch("still")) {
    assert.equal(event.kind, "state");
    break;
  }
  const closed = client.watch("still");
  await closed.next();
  const ended = assert.rejects(closed.next(), ClientClosedError);
  await client.close();
  await ended;
});

onBothBrokers("cancel by id tells what was found, by type or queue how many", async (stage) => {
  const client = await stage.connect();
  await client.enqueueMany("a", [{ id: "a1" }, { id: "a2" }, { id: "a3", delayMs: 60_000 }]);
  await client.enqueueMany("b", [{ id: "b1" }, { id: "b2", queue: "other" }]);
  assert.deepEqual(await client.cancel(["b1", "never"]), [
    { id: "b1", state: "queued" },
    { id: "never", state: null },
  ]);
  assert.equal(await client.cancel({ type: "a" }), 3);
  assert.equal((await client.task("a3"))?.state, "cancelled");
  assert.equal((await client.task("b2"))?.state, "queued");
  assert.equal(await client.cancel({ queue: "other" }), 1);
  assert.equal(await client.cancel({ queue: "other" }), 0);
});

onBothBrokers("cancel by type reaches all of many, running ones once", async (stage) => {
  const client = await stage.connect();
  const executor = await stage.executor();
  await client.enqueueMany(
    "mixed",
    Array.from({ length: 2_600 }, (_, index) => ({ id: `m${index}` })),
  );
  const running = await claimAll(executor, 3);
  assert.equal(await client.cancel({ type: "mixed" }), 2_600);
  const ids = running.map(({ raw }) => String(JSON.parse(raw ?? "").id));
  assert.deepEqual((await executor.cancelled(ids)).sort(), ids.sort());
  const left = await client.list({ state: "queued" });
  assert.equal(left.tasks.length, 0);
});

onBothBrokers("retry queues dead tasks again: by id, or all that match however many there are", async (stage) => {
  const client = await stage.connect();
  const executor = await stage.executor();
  await client.enqueueMany(
    "frail",
    Array.from({ length: 1_800 }, (_, index) => ({ id: `f${index}` })),
  );
  await client.enqueue("other", 1, { id: "o" });
  await executor.complete((await claimAll(executor, 1_801)).map((it) => dead(it, { reason: "no luck" })));
  assert.deepEqual(await client.retry(["f0", "nobody"]), [
    { id: "f0", state: "dead", retried: true },
    { id: "nobody", state: null, retried: false },
  ]);
  assert.equal(await client.retry({ type: "frail" }), 1_799);
  assert.equal(await client.retry({ type: "frail" }), 0);
  assert.equal((await client.task("o"))?.state, "dead");
  assert.equal(await client.retry({ state: "dead" }), 1);
  const counts = (await client.counts()).find(({ name }) => name === "common");
  assert.deepEqual([counts?.queued, counts?.dead], [1_801, 0]);
});

onBothBrokers("a change without a condition, or with a misspelt one, changes nothing and tells", async (stage) => {
  const client = await stage.connect();
  const executor = await stage.executor();
  await client.enqueue("frail", 1, { id: "dead" });
  await executor.complete((await claimAll(executor, 1)).map((it) => dead(it, { reason: "no luck" })));
  await client.enqueue("work", 1, { id: "waits" });
  const asked: Readonly<Record<"cancel" | "retry" | "purge" | "list", (filter: object) => Promise<unknown>>> = {
    cancel: (filter) => client.cancel(filter),
    retry: (filter) => client.retry(filter),
    purge: (filter) => client.purge(filter as PurgeQuery),
    list: (filter) => client.list(filter),
  };
  const wrong: readonly (readonly [call: keyof typeof asked, filter: object, message: string])[] = [
    ["cancel", {}, "cancel takes ids, or a filter with a type or a queue: none is given"],
    [
      "cancel",
      { type: "work", que: "other" },
      "cancel takes ids, or a filter with a type or a queue: que: is not known",
    ],
    ["cancel", { type: 1 }, "cancel takes ids, or a filter with a type or a queue: type: must be a string"],
    ["retry", {}, "retry takes ids, or a filter with a type, a queue or a state (dead or cancelled): none is given"],
    [
      "retry",
      { typ: "frail", state: "dead" },
      "retry takes ids, or a filter with a type, a queue or a state (dead or cancelled): typ: is not known",
    ],
    [
      "retry",
      { state: "queued" },
      "retry takes ids, or a filter with a type, a queue or a state (dead or cancelled): state: must be dead " +
        "or cancelled",
    ],
    [
      "purge",
      { state: "queued" },
      "purge takes a state (done, dead or cancelled), with a type, a queue or neither: state: must be done, dead " +
        "or cancelled",
    ],
    ["purge", {}, "purge takes a state (done, dead or cancelled), with a type, a queue or neither: state: is missing"],
    [
      "purge",
      { state: "dead", typ: "work" },
      "purge takes a state (done, dead or cancelled), with a type, a queue or neither: typ: is not known",
    ],
    [
      "list",
      { stat: "dead" },
      "list takes a state, a type, a queue, foreign, a limit, a maxBytes and a cursor, all optional: " +
        "stat: is not known",
    ],
  ];
  for (const [call, filter, message] of wrong) {
    await assert.rejects(asked[call](filter), { name: "TypeError", message });
  }
  assert.equal((await client.task("dead"))?.state, "dead");
  assert.equal((await client.task("waits"))?.state, "queued");
});

onBothBrokers("a closed client says so, whatever it is asked", async ({ connect }) => {
  const client = await connect();
  await client.enqueue("work", 1, { id: "stays" });
  await client.close();
  const calls: readonly (() => Promise<unknown>)[] = [
    () => client.task("stays"),
    () => client.list(),
    () => client.logs("stays"),
    () => client.cancel("stays"),
    () => client.cancel({ type: "work" }),
    () => client.retry(["stays"]),
    () => client.retry({ type: "work" }),
    () => client.purge({ state: "done" }),
    () => client.counts(),
    () => client.fleet(),
    () => client.pause({ type: "work" }),
    () => client.resume({ type: "work" }),
    () => client.paused(),
    () => client.schedules.put("nightly", { cron: "@daily" }, "work"),
    () => client.schedules.remove("nightly"),
    () => client.schedules.list(),
    () => client.schedules.get("nightly"),
    () => client.schedules.run("nightly"),
    () => client.schedules.pause("nightly"),
    () => client.schedules.resume("nightly"),
    () => client.enqueueMany("work", [{}]),
  ];
  for (const call of calls) await assert.rejects(call(), ClientClosedError, String(call));
});

test("a call that a close cuts off says that the client was closed", async () => {
  const asked = Promise.withResolvers<void>();
  const cut = Promise.withResolvers<never>();
  const broker = {
    counts() {
      asked.resolve();
      return cut.promise;
    },
    close: async () => cut.reject(new BrokerUnavailableError("the broker is closed")),
  };
  const client = new Client({ broker: broker as unknown as Broker, retentionMs: 0, waitMs: 0, maxWaiting: 1 });
  const counting = assert.rejects(client.counts(), (error) => {
    assert.ok(error instanceof ClientClosedError);
    assert.match(error.message, /closed meanwhile; what was asked may have happened or not/);
    return true;
  });
  await asked.promise;
  await client.close();
  await counting;
});

onBothBrokers("purge removes what has ended and matches, and tells how many", async (stage) => {
  const client = await stage.connect();
  const executor = await stage.executor();
  await client.enqueueMany(
    "work",
    Array.from({ length: 1_200 }, (_, index) => ({ id: `p${index}` })),
  );
  await executor.complete((await claimAll(executor, 1_200)).map((it) => done(it, { result: "null" })));
  await client.enqueue("work", 1, { id: "stays" });
  assert.equal(await client.purge({ state: "done", type: "nothing" }), 0);
  assert.equal(await client.purge({ state: "done" }), 1_200);
  assert.equal(await client.task("p0"), null);
  assert.equal((await client.task("stays"))?.state, "queued");
});

onBothBrokers("lists page through what matches", async ({ connect }) => {
  const client = await connect();
  await client.enqueueMany(
    "listed",
    Array.from({ length: 25 }, (_, index) => ({ id: `l${index}`, payload: index })),
  );
  const ids: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await client.list({ state: "queued", limit: 10, ...(cursor === undefined ? {} : { cursor }) });
    ids.push(...page.tasks.map(({ id }) => id));
    cursor = page.cursor;
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 25 }, (_, index) => `l${index}`),
  );
});

onBothBrokers("what is paused does not start until it is resumed", async (stage) => {
  const client = await stage.connect();
  const executor = await stage.executor();
  await client.pause({ queue: "common" });
  await client.pause({ type: "slow" });
  const paused = await client.paused();
  assert.deepEqual(paused.map(({ kind, name }) => `${kind} ${name}`).sort(), ["queue common", "type slow"]);
  await client.enqueue("work", 1, { id: "held" });
  await client.enqueue("work", 1, { id: "free", queue: "other" });
  const [first] = await claimAll(executor, 1);
  assert.equal(first?.queue, "other");
  await client.resume({ queue: "common" });
  const [second] = await claimAll(executor, 1);
  assert.equal(second?.queue, "common");
  await client.resume({ type: "slow" });
  assert.deepEqual(await client.paused(), []);
});

onBothBrokers("schedules are put with their next time, replaced, listed and removed", async ({ connect }) => {
  const client = await connect();
  const before = Date.now();
  const put = await client.schedules.put("nightly", { cron: "0 3 * * *", timezone: "Asia/Tokyo" }, "report", { of: 1 });
  assert.equal(new Date(put.nextAt ?? 0).toISOString().slice(11), "18:00:00.000Z");
  assert.ok((put.nextAt ?? 0) > before);
  await client.schedules.put("nightly", { cron: "@hourly", queue: "other", priority: 1 }, "report");
  const [listed, ...more] = await client.schedules.list();
  assert.equal(more.length, 0);
  assert.deepEqual(
    [listed?.cron, listed?.timezone, listed?.queue, listed?.priority, listed?.payload, listed?.lastAt],
    ["@hourly", null, "other", 1, "null", null],
  );
  const definition = { type: "report", queue: "other", priority: 1, retentionMs: 5, unique: { key: "one" } };
  const typed = await client.schedules.put("typed", { cron: "@daily", priority: 0 }, definition);
  const { queue, priority, retentionMs, unique, overlap } = typed;
  assert.deepEqual([queue, priority, retentionMs, overlap], ["other", 0, 5, "skip"]);
  assert.deepEqual(unique, { key: "one", forMs: "until-done" });
  const { id, created } = await client.schedules.run("typed");
  assert.deepEqual([created, (await client.task(id))?.queue], [true, "other"]);
  assert.equal((await client.schedules.pause("typed")).paused, true);
  const { paused, runs } = await client.schedules.resume("typed");
  assert.deepEqual([paused, runs.map((run) => [run.id, run.state])], [false, [[id, "queued"]]]);
  assert.deepEqual(await client.schedules.get("typed"), (await client.schedules.list())[1]);
  assert.equal(await client.schedules.get("nobody"), null);
  await assert.rejects(client.schedules.run("nobody"), /^UnknownScheduleError/);
  await client.schedules.remove("typed");
  await assert.rejects(client.schedules.put("x", { cron: "61 * * * *" }, "report"), /Invalid value for minute: 61/);
  await assert.rejects(client.schedules.put("x", { cron: "0 0 31 2 *" }, "report"), /never comes due/);
  const wrong = client.schedules.put("x", { cron: "@daily" }, "report", { a: [1n] });
  await assert.rejects(wrong, /^InvalidTaskError: .*payload\.a\[0\] is a BigInt/);
  await assert.rejects(client.schedules.put("a b", { cron: "@daily" }, "report"), /^InvalidTaskError: name: must be/);
  assert.equal(await client.schedules.remove("nightly"), true);
  assert.equal(await client.schedules.remove("nightly"), false);
});

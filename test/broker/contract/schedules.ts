/** Schedules as the broker keeps them; when they are due and what is enqueued is worked out elsewhere. */
import assert from "node:assert/strict";
import type {
  ScheduleChange,
  ScheduleChanged,
  ScheduleDefinition,
  ScheduleList,
  ScheduleState,
  TakenSchedules,
} from "../../../src/broker/contract/schedules.ts";
import { LISTED_PAYLOAD_BYTES } from "../../../src/broker/schedule-list.ts";
import { NEW_STATE } from "../../../src/broker/schedule-text.ts";
import { claimOne, done, idOf, QUEUE, task } from "../../stage/outcomes.ts";
import { countOf, NOTHING, type Sentence } from "../../stage/sentences.ts";
import { storedSchedules } from "../../stage/stored-schedules.ts";

const DUE = 1_800_000_000_000;
const NEXT = DUE + 60_000;

function nightly(other: Partial<ScheduleDefinition> = {}): ScheduleDefinition {
  return {
    name: "nightly",
    cron: "0 3 * * *",
    timezone: null,
    type: "noop",
    payload: '{"deep":true}',
    options: { queue: QUEUE, backoff: { kind: "fixed", delay_ms: 5 }, unique: null },
    defaults: null,
    overlap: null,
    retentionMs: 60_000,
    ...other,
  };
}

function state(other: Partial<ScheduleState> = {}): ScheduleState {
  return { ...NEW_STATE, nextAt: DUE, ...other };
}

/** The first change of a schedule. */
function put(definition: ScheduleDefinition, nextAt: number | null = DUE): ScheduleChange {
  return { name: definition.name, revision: null, definition, state: state({ nextAt }) };
}

export function scheduleSentences(sentence: Sentence): void {
  sentence("schedules are kept by name with all that was said of them, replaced and removed", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    assert.deepEqual(await storedSchedules(broker), []);
    assert.equal(await broker.schedule("nightly"), null);
    const defaults = { queue: "other", priority: 1, unique: { forMs: 5 }, retentionMs: 0, deadlineMs: 9, delayMs: 0 };
    const hourly = nightly({ name: "hourly", timezone: "Europe/Berlin", overlap: "queue", defaults });
    assert.deepEqual(await client.changeSchedule(put(nightly())), { changed: true, receipt: null });
    await client.changeSchedule(put(hourly, null));
    const [first, second] = await storedSchedules(broker);
    assert.ok(first && second);
    assert.deepEqual(first, { ...hourly, ...state({ nextAt: null }), revision: first.revision });
    assert.deepEqual(second, { ...nightly(), ...state(), revision: second.revision });
    assert.deepEqual(await broker.schedule("hourly"), first);

    const runs = [
      { at: 1, end: "done" },
      { at: 2, end: "gone" },
      { at: 3, end: null },
    ] as const;
    const after = {
      ...state({ nextAt: NEXT }),
      runs,
      lastAt: 3,
      waitingAt: 4,
      skipped: 5,
      lastSkippedAt: 6,
      paused: true,
    };
    await broker.changeSchedule({ name: "nightly", revision: second.revision, state: after });
    const changed = await client.schedule("nightly");
    assert.ok(changed);
    assert.deepEqual(changed, { ...nightly(), ...after, revision: changed.revision });
    const { revision } = changed;
    await client.changeSchedule({ name: "nightly", revision, definition: nightly({ payload: "2" }), state: after });
    assert.equal((await client.schedule("nightly"))?.payload, "2");

    assert.equal(await broker.removeSchedule("hourly"), true);
    assert.equal(await broker.removeSchedule("hourly"), false);
    assert.deepEqual(
      (await storedSchedules(broker)).map(({ name }) => name),
      ["nightly"],
    );
  });

  sentence("a list gives schedules by name in pages, and of a long payload its length", async (stage) => {
    const broker = await stage.open("a");
    const long = JSON.stringify("é".repeat(LISTED_PAYLOAD_BYTES));
    for (const name of ["b", "a", "d", "c", "e"]) {
      await broker.changeSchedule(put(nightly({ name, payload: name === "c" ? long : "[1]" })));
    }
    const first = await broker.listSchedules({ after: "", limit: 3 });
    assert.deepEqual(
      first.schedules.map(({ name, payload, payloadBytes }) => [name, payload, payloadBytes]),
      [
        ["a", "[1]", 3],
        ["b", "[1]", 3],
        ["c", "null", Buffer.byteLength(long)],
      ],
    );
    assert.equal(first.next, "c");
    const second = await broker.listSchedules({ after: "c", limit: 3 });
    assert.deepEqual([second.schedules.map(({ name }) => name), second.next], [["d", "e"], null]);
    assert.equal((await broker.schedule("c"))?.payload, long);
    for (const limit of [0, 1_001, 1.5]) {
      await assert.rejects(broker.listSchedules({ after: "", limit }), /the limit must be 1 to 1000/);
    }
  });

  sentence("a page of schedules ends where 64 MB were read, and the next one goes on", async (stage) => {
    const broker = await stage.open("a");
    const payload = JSON.stringify("x".repeat(4_000_000));
    for (let at = 10; at < 30; at++) await broker.changeSchedule(put(nightly({ name: `s${at}`, payload })));
    const names: string[] = [];
    let pages = 0;
    for (let after: string | null = ""; after !== null; pages++) {
      const page: ScheduleList = await broker.listSchedules({ after, limit: 1_000 });
      names.push(...page.schedules.map(({ name }) => name));
      after = page.next;
    }
    assert.deepEqual(
      names,
      Array.from({ length: 20 }, (_, at) => `s${at + 10}`),
    );
    assert.equal(pages, 2);
  });

  sentence("large schedules are read whole and by name, a few MB at a time, at a start and when due", async (stage) => {
    const broker = await stage.open("a");
    const { seen } = await broker.takeSchedules(null, 0);
    const payload = JSON.stringify("x".repeat(4_000_000));
    const names = Array.from({ length: 7 }, (_, at) => `s${at}`);
    for (const name of names) await broker.changeSchedule(put(nightly({ name, payload }), 1));
    const parts: number[] = [];
    const read: string[] = [];
    for await (const some of broker.everySchedule()) {
      parts.push(some.length);
      for (const schedule of some) {
        read.push(schedule.name);
        assert.equal(schedule.payload, payload);
      }
    }
    assert.deepEqual([read, parts], [names, [2, 2, 2, 1]]);

    const due: string[] = [];
    const changed: string[] = [];
    let [since, isMore] = [seen, true];
    for (let takes = 0; isMore && takes < 20; takes++) {
      const taken: TakenSchedules = await broker.takeSchedules(since, 250);
      assert.ok(taken.due.length <= 2 && taken.changed.length <= 2, "one answer gives no more than 8 MB of each");
      due.push(...taken.due.map(({ name }) => name));
      changed.push(...taken.changed.map(({ name }) => name));
      ({ seen: since, isMore } = taken);
    }
    // Where reading them takes over a second, those that were taken first are due again.
    assert.ok(!isMore || due.length > names.length, `${due.length} due, and there is more`);
    assert.deepEqual([[...new Set(due)].sort(), changed], [names, names]);
  });

  sentence("of five who change a schedule at once one does, and its task is enqueued once", async (stage) => {
    const brokers = await Promise.all(["a", "b", "c", "d", "e"].map((name) => stage.open(name)));
    const [broker] = brokers;
    assert.ok(broker);
    await broker.changeSchedule(put(nightly()));
    for (const round of [1, 2]) {
      const revision: string = (await broker.schedule("nightly"))?.revision ?? "";
      const results: readonly ScheduleChanged[] = await Promise.all(
        brokers.map((each, index) =>
          each.changeSchedule({
            name: "nightly",
            revision,
            state: state({ nextAt: NEXT + round, lastAt: index }),
            enqueue: { request: task(`${round} by ${index}`), otherwise: state() },
          }),
        ),
      );
      const winner = results.findIndex(({ changed }) => changed);
      const id = `${round} by ${winner}`;
      assert.deepEqual(results[winner], { changed: true, receipt: { id, created: true, state: "queued" } });
      assert.equal(results.filter(({ changed }) => changed).length, 1);
      const stored = await broker.schedule("nightly");
      assert.deepEqual([stored?.nextAt, stored?.lastAt], [NEXT + round, winner]);
      assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, running: round - 1 });
      assert.equal(idOf(await claimOne(broker, stage.signal)), id);
    }
  });

  sentence(
    "what was changed, changed back, removed or put anew is not changed by who read it before",
    async (stage) => {
      const broker = await stage.open("a");
      await broker.changeSchedule(put(nightly()));
      const old = await broker.schedule("nightly");
      assert.ok(old);
      const late = (revision: string | null) =>
        broker.changeSchedule({
          name: "nightly",
          revision,
          definition: nightly(),
          state: state(),
          enqueue: { request: task("late"), otherwise: state() },
        });
      assert.deepEqual(await late(null), { changed: false }, "it is there already");
      await broker.changeSchedule({ name: "nightly", revision: old.revision, state: state({ nextAt: NEXT }) });
      const { revision = "" } = (await broker.schedule("nightly")) ?? {};
      await broker.changeSchedule({ name: "nightly", revision, state: state() });
      assert.deepEqual(await late(old.revision), { changed: false }, "it was changed and changed back");
      await broker.removeSchedule("nightly");
      assert.deepEqual(await late(old.revision), { changed: false }, "it is gone");
      await broker.changeSchedule(put(nightly()));
      assert.deepEqual(await late(old.revision), { changed: false }, "it is another one of that name");
      assert.deepEqual(await countOf(broker), NOTHING);
    },
  );

  sentence("where the unique key is held nothing is enqueued, and the other state is stored", async (stage) => {
    const broker = await stage.open("a");
    await broker.changeSchedule(put(nightly()));
    const unique = { key: "one at a time", ttlMs: null };
    await broker.enqueue([task("holder", { unique })]);
    const { revision = "" } = (await broker.schedule("nightly")) ?? {};
    const result = await broker.changeSchedule({
      name: "nightly",
      revision,
      state: state({ nextAt: NEXT }),
      enqueue: { request: task("second", { unique }), otherwise: state({ skipped: 1, lastSkippedAt: DUE }) },
    });
    assert.deepEqual(result, { changed: true, receipt: { id: "holder", created: false, state: "queued" } });
    const stored = await broker.schedule("nightly");
    assert.deepEqual([stored?.nextAt, stored?.skipped, stored?.lastSkippedAt], [DUE, 1, DUE]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1 });
  });

  sentence("a task that no broker takes changes nothing of its schedule", async (stage) => {
    const broker = await stage.open("a");
    await broker.changeSchedule(put(nightly()));
    const { revision = "" } = (await broker.schedule("nightly")) ?? {};
    const enqueue = { request: task("urgent", { priority: 2 }), otherwise: state() };
    await assert.rejects(
      broker.changeSchedule({ name: "nightly", revision, state: state({ nextAt: NEXT }), enqueue }),
      /RangeError: the priority of task "urgent" must be an integer from 0 to 1/,
    );
    assert.equal((await broker.schedule("nightly"))?.nextAt, DUE);
  });

  sentence("the states of tasks are told in the order asked for, null where nothing is kept", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("ends"), task("runs"), task("waits"), task("sleeps", { delayMs: 60_000 })]);
    const ends = await claimOne(broker, stage.signal);
    await broker.complete([done(ends)]);
    await claimOne(broker, stage.signal);
    const ids = ["nobody", "sleeps", "waits", "runs", "ends"];
    assert.deepEqual(await broker.states(ids), [null, "scheduled", "queued", "running", "done"]);
    assert.deepEqual(await broker.states([]), []);
  });
}

/** The alerts of executors: the rules of Prometheus', evaluated inside; one beginning and one end for a fleet. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BrokerUnavailableError, type EnqueueRequest } from "../../../src/broker/broker.ts";
import { MemoryBroker } from "../../../src/broker/memory/memory-broker.ts";
import { MemoryStore } from "../../../src/broker/memory/store/store.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import { AlertAnnouncer, type AlertTask } from "../../../src/executor/alerts/announcer.ts";
import { AlertBoard } from "../../../src/executor/alerts/board.ts";
import { ALERT_RULES } from "../../../src/executor/alerts/rules.ts";
import { type AlertSample, AlertWindow } from "../../../src/executor/alerts/samples.ts";
import { ROOT } from "../../stage/command.ts";

const S = 1_000;
const MINUTE = 60 * S;
const TASK: AlertTask = { type: "notify", queue: "common", retentionMs: 86_400_000 };

function sample(at: number, parts: Partial<AlertSample> = {}): AlertSample {
  return {
    ...{ executor: "x", at, isBrokerUp: true, queues: [], silent: [], slots: 10, slotsBusy: 0, abandoned: 0 },
    ...{ lagSeconds: 0, isEvicting: false, pairs: [], crashes: 0, killed: 0, missed: 0, rssBytes: 100e6 },
    ...parts,
  };
}

const queue = (parts: Partial<AlertSample["queues"][number]> = {}) => ({
  ...{ name: "mail", queued: 3, executors: 1, isPaused: false, oldestSeconds: 0 },
  ...parts,
});

const pair = (type: string, done: number, retried: number, dead: number, lost = 0) => ({
  ...{ queue: "mail", type },
  outcomes: [done, retried, dead, 0, lost, 0],
});

test("the rules are those of Prometheus: their names, their severity, how long each must hold", () => {
  const text = readFileSync(join(ROOT, "scripts/observe/taskexe.rules.yml"), "utf8");
  const theirs = text
    .split("- alert: ")
    .slice(1)
    .map((rule) => {
      const minutes = /^ {8}for: (\d+)m$/m.exec(rule)?.[1] ?? "0";
      return [/^\w+/.exec(rule)?.[0], /severity: (\w+)/.exec(rule)?.[1], Number(minutes) * MINUTE];
    });
  const ours = ALERT_RULES.map(({ name, severity, forMs }) => [name, severity, forMs]);
  // A beat that is two beats late is over a minute old by itself.
  assert.deepEqual(
    ours,
    theirs.map((rule) => (rule[0] === "TaskexeDown" ? [...rule.slice(0, 2), 0] : rule)),
  );
});

/** Which alerts there are after samples, one each 30 s, of which the last half tell something. */
function firingAfter(minutes: number, parts: (index: number) => Partial<AlertSample>): string[] {
  const board = new AlertBoard();
  for (let index = 0; index <= minutes * 2; index++) board.take(sample(index * 30 * S, parts(index)), index * 30 * S);
  return board.firing.map(({ name, labels }) => [name, ...Object.values(labels)].join(" "));
}

test("each rule finds what it is about, once it has held for its time, and nothing less", () => {
  const cases: readonly (readonly [string, number, (index: number) => Partial<AlertSample>, string])[] = [
    ["silent", 0, () => ({ silent: [{ name: "y", seconds: 80 }] }), "TaskexeDown y"],
    ["no executor", 1, () => ({ queues: [queue({ executors: 0 })] }), "TaskexeNoExecutor mail"],
    ["a backlog", 1, () => ({ queues: [queue({ oldestSeconds: 301 })] }), "TaskexeBacklog mail"],
    ["failing", 8, (index) => ({ pairs: [pair("t", index * 4, index, 0)] }), "TaskexeTypeFailing t"],
    ["dead", 1, (index) => ({ pairs: [pair("t", 100, 0, index)] }), "TaskexeDeadTasks mail t"],
    ["lost", 1, (index) => ({ pairs: [pair("t", 100, 0, 0, index)] }), "TaskexeLeasesLost mail t"],
    ["crashes", 2, (index) => ({ crashes: index }), "TaskexeRunnersCrashing x"],
    ["ignored", 0, () => ({ abandoned: 1 }), "TaskexeCancelsIgnored x"],
    ["killed", 1, (index) => ({ killed: index }), "TaskexeCancelsIgnored x"],
    ["saturated", 15, () => ({ slotsBusy: 10, queues: [queue({ oldestSeconds: 61 })] }), "TaskexeSaturated"],
    ["blocked", 1, () => ({ lagSeconds: 1.1 }), "TaskexeLoopBlocked x"],
    ["away", 1, () => ({ isBrokerUp: false }), "TaskexeBrokerAway"],
    ["evicting", 5, () => ({ isEvicting: true }), "TaskexeBrokerEvicting"],
    ["growing", 95, (index) => ({ rssBytes: 500e6 + index * 1e6 }), "TaskexeMemoryGrowing x"],
    ["missed", 1, (index) => ({ missed: index }), "TaskexeScheduleMissed x"],
  ];
  for (const [what, minutes, parts, expected] of cases) assert.deepEqual(firingAfter(minutes, parts), [expected], what);
  for (const [what, minutes, parts] of cases) {
    if (minutes > 1) assert.deepEqual(firingAfter(minutes / 4, parts), [], `${what}, not for long enough`);
  }
  const well: readonly ((index: number) => Partial<AlertSample>)[] = [
    () => ({ queues: [queue({ executors: null }), queue({ queued: 0, executors: 0 })] }),
    () => ({ queues: [queue({ oldestSeconds: 1_000, isPaused: true })] }),
    (index) => ({ pairs: [pair("t", index * 100, index, 0)] }),
    () => ({ pairs: [pair("t", 0, 0, 7, 7)], crashes: 9, killed: 9, missed: 9 }),
    () => ({ slotsBusy: 10, queues: [queue({ oldestSeconds: 59 })] }),
    () => ({ rssBytes: 2e9 }),
  ];
  for (const parts of well) assert.deepEqual(firingAfter(95, parts), [], String(parts));
});

test("what was counted longer ago is over: an alert of dead tasks ends, and begins with the next one", () => {
  const board = new AlertBoard();
  const told: string[] = [];
  for (let index = 0; index <= 60; index++) {
    const dead = index < 2 ? 0 : 1;
    const ended = board.take(sample(index * 30 * S, { pairs: [pair("t", 0, 0, dead)] }), 0);
    if (index === 2) told.push(...board.firing.map(({ name }) => `${name} begins`));
    told.push(...ended.map(({ name }) => `${name} ends at ${index / 2} min`));
  }
  // Ten minutes after the death, and a minute in which it does not hold.
  assert.deepEqual(told, ["TaskexeDeadTasks begins", "TaskexeDeadTasks ends at 11.5 min"]);
  assert.deepEqual(board.firing, []);
});

test("samples are bounded, however often they are taken", () => {
  const window = new AlertWindow();
  for (let at = 0; at < 3 * 3_600 * S; at += 500) window.add(sample(at, { crashes: at / 500 }));
  const kept = Object.getOwnPropertyNames(window);
  assert.deepEqual(kept, []);
  assert.ok(Math.abs(window.increase("crashes", 10 * MINUTE) - 1_200) <= 40);
});

/** Executors of one fleet that see the same, over one store whose clock the test moves. */
class Fleet {
  readonly store = new MemoryStore(() => 1_800_000_000_000);
  at = 0;
  readonly enqueued: EnqueueRequest[] = [];
  readonly members = new Map<string, { board: AlertBoard; announcer: AlertAnnouncer }>();
  isAway = false;

  async join(owner: string): Promise<void> {
    const broker = new MemoryBroker("alerts", { executor: owner, queues: ["common"], leaseMs: 30_000 }, this.store);
    await broker.open(openRoot().signal);
    const guarded = <T>(call: () => Promise<T>): Promise<T> =>
      this.isAway ? Promise.reject(new BrokerUnavailableError("away")) : call();
    const seen = {
      now: () => broker.now(),
      locks: {
        take: (...args: Parameters<typeof broker.locks.take>) => guarded(() => broker.locks.take(...args)),
        renew: (...args: Parameters<typeof broker.locks.renew>) => guarded(() => broker.locks.renew(...args)),
        free: (...args: Parameters<typeof broker.locks.free>) => guarded(() => broker.locks.free(...args)),
      },
      enqueue: (requests: readonly EnqueueRequest[]) =>
        guarded(async () => {
          const receipts = await broker.enqueue(requests);
          this.enqueued.push(...requests.filter((_request, index) => receipts[index]?.created));
          return receipts;
        }),
    };
    const announcer = new AlertAnnouncer(seen, { owner, holdMs: 2 * MINUTE, told: () => TASK });
    this.members.set(owner, { board: new AlertBoard(), announcer });
  }

  /** All of them look, 30 s after the last time. */
  async look(parts: Partial<AlertSample>): Promise<void> {
    this.at += 30 * S;
    this.store.advance(30 * S);
    for (const { board, announcer } of this.members.values()) {
      const ended = board.take(sample(this.at, parts), this.store.now());
      await announcer.tell(board.firing, ended, this.at);
    }
  }

  told(): string[] {
    return this.enqueued.map(({ message }) => {
      const { payload } = JSON.parse(message);
      return `${payload.name} ${payload.state}`;
    });
  }
}

async function fleetOf(...owners: readonly string[]): Promise<Fleet> {
  const fleet = new Fleet();
  for (const owner of owners) await fleet.join(owner);
  return fleet;
}

const NOBODY = { queues: [queue({ executors: 0 })] };

test("a fleet of two tells one beginning and one end, with all that is known", async () => {
  const fleet = await fleetOf("a", "b");
  for (let look = 0; look < 20; look++) await fleet.look(NOBODY);
  assert.deepEqual(fleet.told(), ["TaskexeNoExecutor begin"]);
  for (let look = 0; look < 20; look++) await fleet.look({});
  assert.deepEqual(fleet.told(), ["TaskexeNoExecutor begin", "TaskexeNoExecutor end"]);
  const [begin, end] = fleet.enqueued;
  assert.match(begin?.id ?? "", /^alert-[0-9a-f]{16}-\d+-begin$/);
  assert.equal(end?.id, begin?.id.replace(/begin$/, "end"));
  assert.deepEqual(JSON.parse(begin?.message ?? "").payload, {
    ...{ name: "TaskexeNoExecutor", severity: "critical", state: "begin", since: 1_800_000_030_000 },
    ...{ value: 3, threshold: 0, labels: { queue: "mail" } },
    summary: "Tasks wait in mail, and no executor serves it",
  });
  assert.equal(begin?.type, "notify");
  for (let look = 0; look < 10; look++) await fleet.look(NOBODY);
  assert.equal(fleet.told().length, 3, "it may begin again");
});

test("where the executor dies that told the beginning, another tells the end, and nothing twice", async () => {
  const fleet = await fleetOf("a", "b");
  for (let look = 0; look < 5; look++) await fleet.look(NOBODY);
  fleet.members.delete("a");
  for (let look = 0; look < 20; look++) await fleet.look(NOBODY);
  for (let look = 0; look < 10; look++) await fleet.look({});
  assert.deepEqual(fleet.told(), ["TaskexeNoExecutor begin", "TaskexeNoExecutor end"]);
});

test("a broker that was away is told once it is back: one beginning, one end", async () => {
  const fleet = await fleetOf("a", "b");
  fleet.isAway = true;
  for (let look = 0; look < 10; look++) await fleet.look({ isBrokerUp: false });
  assert.deepEqual(fleet.told(), []);
  fleet.isAway = false;
  for (let look = 0; look < 10; look++) await fleet.look({});
  assert.deepEqual(fleet.told(), ["TaskexeBrokerAway begin", "TaskexeBrokerAway end"]);
});

test("one beginning and one end for each: a backlog, a failing type, a full fleet, dead tasks", async () => {
  for (const [name, parts] of [
    ["TaskexeBacklog", () => ({ queues: [queue({ oldestSeconds: 400 })] })],
    ["TaskexeSaturated", () => ({ slotsBusy: 10, queues: [queue({ oldestSeconds: 61 })] })],
    ["TaskexeTypeFailing", (look: number) => ({ pairs: [pair("t", look, look, 0)] })],
    ["TaskexeDeadTasks", (look: number) => ({ pairs: [pair("t", look * 100, 0, look)] })],
  ] as const) {
    const fleet = await fleetOf("a", "b");
    for (let look = 0; look < 40; look++) await fleet.look(parts(look));
    const last: Partial<AlertSample> = parts(39);
    for (let look = 0; look < 40; look++) await fleet.look({ pairs: last.pairs ?? [] });
    assert.deepEqual(fleet.told(), [`${name} begin`, `${name} end`]);
  }
});

test("a rule that flaps is one alert, and many alerts at once are told twenty a minute", async () => {
  const flapping = await fleetOf("a");
  for (let look = 0; look < 100; look++) await flapping.look(look % 2 === 0 ? { abandoned: 1 } : {});
  assert.deepEqual(flapping.told(), ["TaskexeCancelsIgnored begin"]);

  const many = await fleetOf("a");
  const silent = Array.from({ length: 500 }, (_, index) => ({ name: `gone-${index}`, seconds: 100 }));
  await many.look({ silent });
  assert.equal(many.told().length, 20);
  await many.look({ silent });
  assert.equal(many.told().length, 20);
  for (let look = 0; look < 40; look++) await many.look({ silent });
  assert.equal(many.told().length, 200, "of so many, and no more, is anything known");
});

test("what was counted before the first look counts: the counts of an executor begin with it", () => {
  const window = new AlertWindow();
  window.add(sample(10 * S, { pairs: [pair("report", 0, 0, 1)], missed: 2 }));
  assert.deepEqual([window.pairs(15 * MINUTE)[0]?.dead, window.increase("missed", 15 * MINUTE)], [1, 2]);
});

/**
 * The brokers under test, as executors use them: they start what they get, can die, stall and come back. Time is moved
 * by hand: leases, due times and records age in the store itself, and the monotonic clock jumps as if it had passed.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Broker, BrokerOptions, Delivery, Outcome } from "../../src/broker/broker.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { parseMessage, withOptions } from "../../src/task/message/message.ts";
import { TASK_STATES } from "../../src/task/state.ts";
import { Model, type ModelTask, type Traits } from "./model.ts";

export const QUEUES = ["q", "r"];
export const TYPES = ["x", "y"];
export const IDS = Array.from({ length: 10 }, (_, index) => `t${index}`);
export const NAMES = ["a", "b", "c"];
/** Longer than any sequence takes, on a slow machine too: only what is aged by hand runs out. */
export const LEASE_MS = 3_600_000;
/** More than the second look of a reclaim comes after the first. */
const SECOND_LOOK_MS = 1_100;
const ALL = 100;

/** The store behind the brokers, seen and changed past them. */
export interface Raw {
  readonly traits: Traits;
  readonly url: string;
  make(options: BrokerOptions): Broker;
  /** The ids that are held under this name. */
  leasedBy(name: string): Promise<string[]>;
  expireLeases(name: string): Promise<void>;
  makeDue(task: ModelTask): Promise<void>;
  expireRecord(task: ModelTask): Promise<void>;
  /** Gives more time to records that are kept for a minute alone, so that only those go which are expired by hand. */
  keepRecords(): Promise<void>;
  expireKey(queue: string, key: string): Promise<void>;
  /** Whether all keys, or all rows, are those that the model says, and no others. */
  check(model: Model): Promise<void>;
  /** Once every task is gone: whether anything is left that has no end of its own. */
  checkEmpty(model: Model): Promise<void>;
  end(): Promise<void>;
}

/** What an executor holds: its delivery, and the lease under which the model gave it. */
interface Held {
  readonly delivery: Delivery;
  readonly id: string;
  lease: number;
}

interface Executor {
  readonly broker: Broker;
  readonly held: Map<string, Held>;
  /** Somebody resumed a queue since its last claim. */
  stale: boolean;
}

export type EndKind = Exclude<Outcome["kind"], "parked">;

const monotonic = performance.now.bind(performance);
const wall = Date.now.bind(Date);
let skewMs = 0;
let stepMs = 0;

/** Puts clocks that can jump under everything in this process; undo it with what comes back. */
export function takeClock(): () => void {
  const { now } = performance;
  const { now: wallNow } = Date;
  performance.now = () => monotonic() + skewMs;
  Date.now = () => wall() + stepMs;
  return () => {
    performance.now = now;
    Date.now = wallNow;
  };
}

/** The time as it is, whatever this process is made to believe. */
export const trueNow = wall;

export class System {
  readonly raw: Raw;
  readonly model: Model;
  readonly client: Broker;
  readonly #executors = new Map<string, Executor>();
  readonly #opened: Broker[] = [];
  readonly #signal = openRoot().signal;

  private constructor(raw: Raw) {
    this.raw = raw;
    this.model = new Model(raw.traits);
    this.client = raw.make({ executor: null, queues: QUEUES, leaseMs: LEASE_MS });
  }

  static async open(raw: Raw): Promise<System> {
    const system = new System(raw);
    system.#opened.push(system.client);
    await system.client.open(system.#signal);
    return system;
  }

  async end(): Promise<void> {
    stepMs = 0;
    for (const broker of this.#opened) await broker.close();
    await this.raw.end();
  }

  /** The executor of that name; one that is down is started, and takes up first what it held. */
  async executor(name: string): Promise<Executor> {
    const there = this.#executors.get(name);
    if (there) return there;
    const broker = this.raw.make({ executor: name, queues: QUEUES, leaseMs: LEASE_MS });
    this.#opened.push(broker);
    await broker.open(this.#signal);
    await broker.beat(JSON.stringify({ lease_ms: LEASE_MS }));
    const executor = { broker, held: new Map(), stale: false };
    this.#executors.set(name, executor);
    const expected = this.model.heldBy(name);
    await this.#takeOver(name, executor, expected, await broker.recover(new Set(), ALL));
    return executor;
  }

  /** Its process is gone: nothing is closed, nothing handed back. */
  kill(name: string): void {
    this.#executors.delete(name);
  }

  somebodyResumed(): void {
    for (const executor of this.#executors.values()) executor.stale = true;
  }

  async claim(name: string, max: number): Promise<void> {
    const executor = await this.executor(name);
    const { broker } = executor;
    // One that still believes its queue paused would first wait in vain for the others.
    if (executor.stale) await broker.resume({ kind: "queue", name: "nobody" });
    executor.stale = false;
    if (!this.model.hasWork()) return this.#claimNothing(executor);
    const taken: string[] = [];
    // A claim may bring more than was asked for; that comes with the next one.
    for (
      let pending = ["?"];
      pending.some((id) => !taken.includes(id));
      pending = await this.#pendingNew(name, taken)
    ) {
      const deliveries = await broker.claim(max, this.#signal);
      assert.ok(deliveries.length > 0 && deliveries.length <= max, `asked for ${max}, got ${deliveries.length}`);
      for (const delivery of deliveries) {
        const task = this.#taskOf(delivery);
        this.#mayBeClaimed(task);
        taken.push(task.id);
        await this.#start(name, executor, delivery, task);
      }
    }
  }

  /** Dies with what it has just been given, before it could look at it. */
  async claimAndDie(name: string, max: number, inProcess: boolean): Promise<void> {
    const { broker } = await this.executor(name);
    if (!this.model.hasWork()) return;
    if (inProcess) {
      this.kill(name);
      await this.#claimInProcess(name, max);
    } else {
      await broker.resume({ kind: "queue", name: "nobody" });
      await broker.claim(max, this.#signal);
      this.kill(name);
    }
    const held = this.model.heldBy(name).map(({ id }) => id);
    for (const id of await this.raw.leasedBy(name)) {
      if (held.includes(id)) continue;
      const task = this.model.tasks.get(id);
      assert.ok(task, `${id} is held and not known`);
      this.#mayBeClaimed(task);
      this.model.give(task, name);
    }
  }

  async complete(name: string, kinds: readonly EndKind[]): Promise<void> {
    const { broker, held } = await this.executor(name);
    const items = [...held.values()].slice(0, kinds.length);
    const outcomes = items.map(({ delivery }, index) => outcomeOf(delivery, kinds[index] ?? "done"));
    const results = await broker.complete(outcomes);
    for (const [index, item] of items.entries()) {
      const task = this.#leased(item);
      assert.equal(results[index], task ? "recorded" : "lost", `the completion of ${item.id}`);
      held.delete(item.delivery.handle);
      const kind = kinds[index] ?? "done";
      if (task && kind === "retry") this.model.retryLater(task);
      else if (task && kind !== "retry") this.model.end(task, kind);
    }
  }

  async release(name: string, most: number): Promise<void> {
    const { broker, held } = await this.executor(name);
    const items = [...held.values()].slice(0, most);
    await broker.release(items.map(({ delivery }) => delivery));
    for (const item of items) {
      const task = this.#leased(item);
      if (task) this.model.putBack(task);
      held.delete(item.delivery.handle);
    }
  }

  async renew(name: string): Promise<void> {
    const { broker, held } = await this.executor(name);
    const lost = await broker.renew([...held.values()].map(({ delivery }) => delivery));
    for (const item of held.values()) {
      const task = this.#leased(item);
      assert.equal(lost.includes(item.delivery), task === undefined, `the lease of ${item.id}`);
      if (task) task.expired = false;
      else held.delete(item.delivery.handle);
    }
  }

  /**
   * Somebody sets the clock of this machine, hours forth or back. Where the broker has a clock of its own, no matter.
   */
  async stepClock(ms: number): Promise<void> {
    if (this.raw.traits.ownClock) stepMs = ms;
  }

  /** It has stalled: its leases are over, by the store's clock and by its own. */
  async expire(name: string): Promise<void> {
    await this.raw.expireLeases(name);
    skewMs += LEASE_MS + 1;
    for (const task of this.model.heldBy(name)) task.expired = true;
  }

  async reclaim(name: string): Promise<void> {
    const executor = await this.executor(name);
    const expected = [...this.model.tasks.values()].filter(
      ({ expired, holder }) => expired && (this.raw.traits.reclaimsOwn || holder !== name),
    );
    const found = await executor.broker.reclaim(ALL);
    skewMs += SECOND_LOOK_MS;
    found.push(...(await executor.broker.reclaim(ALL)));
    await this.#takeOver(name, executor, expected, found);
  }

  /** What came back by itself: exactly what was expected, but for what is paused, which has gone into the line. */
  async #takeOver(name: string, executor: Executor, expected: readonly ModelTask[], found: readonly Delivery[]) {
    const { model } = this;
    const { parksInLine } = model.traits;
    const [back, coming] = [true, false].map((which) =>
      expected.filter(
        ({ queue, type }) => which === (model.pausedQueues.has(queue) || (parksInLine && model.pausedTypes.has(type))),
      ),
    );
    for (const task of back ?? []) model.putBack(task);
    assert.deepEqual(found.map(idOf).sort(), (coming ?? []).map(({ id }) => id).sort(), "what was taken over");
    for (const delivery of found) {
      const task = this.#taskOf(delivery);
      const there = executor.held.get(delivery.handle);
      // Held all the time, under the same handle: it simply goes on.
      if (there) there.lease = model.give(task, name);
      else await this.#start(name, executor, delivery, task);
    }
  }

  /** As an executor starts a task: what was cancelled is ended so, what is paused is parked, the rest runs. */
  async #start(name: string, { broker, held }: Executor, delivery: Delivery, task: ModelTask): Promise<void> {
    const { model } = this;
    const lease = model.give(task, name);
    let flagged = false;
    if (delivery.mayBeCancelled) {
      flagged = (await broker.cancelled([task.id])).includes(task.id);
      assert.equal(flagged, model.flags.has(task.id), `the flag of ${task.id}`);
    }
    assert.ok(flagged || !task.ghost, `${task.id} was cancelled, and would run`);
    if (flagged) {
      assert.deepEqual(await broker.complete([outcomeOf(delivery, "cancelled")]), ["recorded"]);
      model.end(task, "cancelled");
      return;
    }
    assert.equal(broker.isTypePaused(task.type), model.pausedTypes.has(task.type), `whether ${task.type} is paused`);
    if (model.pausedTypes.has(task.type)) {
      assert.deepEqual(await broker.complete([outcomeOf(delivery, "parked")]), ["recorded"]);
      model.park(task);
      return;
    }
    assert.equal(messageOf(delivery).options.attempt ?? 1, task.attempt, `the attempt of ${task.id}`);
    held.set(delivery.handle, { delivery, id: task.id, lease });
  }

  async #claimNothing({ broker }: Executor): Promise<void> {
    const scope = openRoot();
    const claiming = Promise.allSettled([broker.claim(1, scope.signal)]);
    await this.raw.leasedBy("nobody");
    scope.cancel("there is nothing");
    const [claim] = await claiming;
    if (claim.status === "rejected") assert.equal(claim.reason, scope.signal.reason);
    else assert.deepEqual(claim.value.map(idOf), [], "claimed where there was nothing");
  }

  async #claimInProcess(name: string, max: number): Promise<void> {
    const file = fileURLToPath(new URL("fixtures/claim-and-wait.ts", import.meta.url));
    const child: ChildProcess = spawn(process.execPath, [file, this.raw.url, name, String(max)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    assert.ok(child.stdout);
    const exited = once(child, "exit");
    const [line] = await Promise.race([once(createInterface(child.stdout), "line"), exited]);
    child.kill("SIGKILL");
    await exited;
    assert.equal(line, "claimed");
  }

  async #pendingNew(name: string, taken: string[]): Promise<string[]> {
    const known = new Set([...taken, ...this.model.heldBy(name).map(({ id }) => id)]);
    return (await this.raw.leasedBy(name)).filter((id) => !known.has(id));
  }

  #taskOf(delivery: Delivery): ModelTask {
    const task = this.model.tasks.get(idOf(delivery));
    assert.ok(task, `${idOf(delivery)} was delivered and is not known`);
    return task;
  }

  #mayBeClaimed({ id, state, queue, ghost, holder, parked }: ModelTask): void {
    assert.ok(state === "queued" || ghost, `${id} was claimed, and is ${state}`);
    assert.ok(holder === null && !parked, `${id} was claimed, and is held or parked`);
    assert.ok(!this.model.pausedQueues.has(queue), `${id} was claimed, and its queue is paused`);
  }

  /** The task, if the lease still holds. */
  #leased({ id, lease }: Held): ModelTask | undefined {
    const task = this.model.tasks.get(id);
    return task !== undefined && task.holder !== null && task.lease === lease ? task : undefined;
  }

  /** Whether everything that the brokers tell, and what stands in the store, is what the model says. */
  async check(): Promise<void> {
    const { model, client } = this;
    for (const id of IDS) {
      const task = model.tasks.get(id);
      const record = await client.record(id);
      assert.equal(record?.state, task?.recorded ? task.state : undefined, `the state in the record of ${id}`);
      if (task?.state === "done") assert.equal(record?.completions, 1, `the completions of ${id}`);
    }
    for (const state of TASK_STATES) {
      const { tasks } = await client.list({ state, limit: ALL });
      const expected = model.in(state).map(({ id }) => id);
      assert.deepEqual(tasks.map(({ id }) => id).sort(), expected.sort(), `the list of ${state} tasks`);
    }
    assert.deepEqual(
      await client.counts(),
      QUEUES.map((name) => model.counts(name)),
    );
    await this.raw.check(model);
  }

  /** Brings everything to its end: afterwards nothing of any task may be left. */
  async finish(): Promise<void> {
    const { model, client, raw } = this;
    for (const name of QUEUES) await client.resume({ kind: "queue", name });
    model.pausedQueues.clear();
    for (const name of TYPES) await client.resume({ kind: "type", name });
    for (const name of TYPES) model.resumeType(name);
    this.somebodyResumed();
    for (const task of model.in("scheduled", "retrying")) {
      await raw.makeDue(task);
      task.due = true;
    }
    assert.equal((await client.promote(ALL)).promoted, model.promote());
    for (const name of NAMES) await this.expire(name);
    await this.reclaim("a");
    await this.reclaim("b");
    while (model.hasWork()) await this.claim("b", ALL);
    for (const name of NAMES) await this.complete(name, Array(ALL).fill("done"));
    await this.check();
    for (const task of model.tasks.values()) {
      await raw.expireRecord(task);
      model.forget(task);
    }
    await (await this.executor("a")).broker.clean();
    await this.check();
    await raw.checkEmpty(model);
  }
}

function messageOf({ raw }: Delivery) {
  const parsed = parseMessage(raw ?? "");
  assert.ok(parsed.ok, `no message: ${raw}`);
  return parsed.message;
}

function idOf(delivery: Delivery): string {
  return messageOf(delivery).id;
}

/** How an executor would end it. */
function outcomeOf(delivery: Delivery, kind: Outcome["kind"]): Outcome {
  const { id, type, options } = messageOf(delivery);
  const { attempt = 1, retention_ms: retentionMs = 0, unique_key: named, unique_for_ms: ttlMs } = options;
  // A key that is held for a time ends by itself.
  const key = ttlMs === undefined || kind === "cancelled" ? named : undefined;
  const { crashes = 0 } = options;
  const recorded = retentionMs > 0 || attempt > 1 || key !== undefined;
  const base = { delivery, id, type, attempt, crashes, retentionMs, recorded, uniqueKey: key ?? null, told: null };
  const ran = { ...base, startedAt: Date.now() };
  const error = { name: "Error", message: "no" };
  const message = withOptions(delivery.raw ?? "", { ...options, attempt: attempt + 1 });
  switch (kind) {
    case "done":
      return { ...ran, kind, result: "1" };
    case "retry":
      return { ...ran, kind, error, delayMs: 3_600_000, message };
    case "dead":
      return { ...ran, kind, reason: "out of attempts", error, retentionMs: 86_400_000 };
    case "cancelled":
      return { ...ran, kind, reason: "cancelled" };
    case "parked":
      return { ...base, startedAt: null, kind };
  }
}

/** The commands of the random sequences: each does one thing to the brokers and to the model, then all is compared. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { EnqueueRequest } from "../../src/broker/broker.ts";
import type { PauseTarget, PurgeQuery } from "../../src/broker/contract/admin.ts";
import { formatMessage } from "../../src/task/message/message.ts";
import { type EndKind, IDS, NAMES, QUEUES, type System, TYPES } from "./system.ts";

type Command = fc.AsyncCommand<object, System>;

function command<T extends unknown[]>(
  name: string,
  does: (system: System, ...args: T) => Promise<void>,
  ...args: { [K in keyof T]: fc.Arbitrary<T[K]> }
): fc.Arbitrary<Command> {
  return fc.tuple<T>(...args).map((given) => ({
    check: () => true,
    async run(_, system) {
      await does(system, ...given);
      await system.check();
    },
    toString: () => `${name}(${given.map((each) => JSON.stringify(each)).join(", ")})`,
  }));
}

const HOUR = 3_600_000;

const id = fc.constantFrom(...IDS);
const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 3 });
const queue = fc.constantFrom(...QUEUES);
const type = fc.constantFrom(...TYPES);
const executor = fc.constantFrom(...NAMES);
const few = fc.integer({ min: 1, max: 4 });
const target: fc.Arbitrary<PauseTarget> = fc.oneof(
  queue.map((name) => ({ kind: "queue" as const, name })),
  type.map((name) => ({ kind: "type" as const, name })),
);
const TIMED_KEY = "timed";
const unique = fc.constantFrom({ key: "held", ttlMs: null }, { key: TIMED_KEY, ttlMs: HOUR });

const request: fc.Arbitrary<EnqueueRequest> = fc
  .record(
    {
      id,
      type,
      queue,
      priority: fc.nat({ max: 1 }),
      retentionMs: fc.constantFrom(0, HOUR),
      delayMs: fc.constantFrom(HOUR),
      unique,
    },
    { requiredKeys: ["id", "type", "queue", "priority", "retentionMs"] },
  )
  .map((task) => ({ ...task, message: messageOf(task) }));

function messageOf({ id, type, retentionMs, unique }: Omit<EnqueueRequest, "message">): string {
  const timed = typeof unique?.ttlMs === "number" ? { unique_for_ms: unique.ttlMs } : {};
  const key = unique === undefined ? {} : { unique_key: unique.key, ...timed };
  return formatMessage({ id, type, payload: id, options: { retention_ms: retentionMs, ...key } });
}

async function enqueue({ client, model }: System, wanted: readonly EnqueueRequest[]): Promise<void> {
  const requests: EnqueueRequest[] = [];
  const expected = [];
  for (const each of wanted) {
    if (!model.knowsIdOf(each)) continue;
    requests.push(each);
    expected.push(model.enqueue(each));
  }
  const receipts = await client.enqueue(requests);
  // What is known of one that was there already may lag behind: that it has been claimed, that it is not ended.
  const firm = (receipt: { readonly created: boolean }) => (receipt.created ? receipt : { ...receipt, state: "?" });
  assert.deepEqual(receipts.map(firm), expected.map(firm));
}

async function cancel({ client, model }: System, wanted: readonly string[]): Promise<void> {
  const expected = wanted.map((each) => ({ id: each, state: model.cancel(each) }));
  assert.deepEqual(await client.cancel(wanted), expected);
}

async function retry({ client, model }: System, wanted: readonly string[]): Promise<void> {
  const expected = wanted.map((each) => model.retry(each));
  assert.deepEqual(
    (await client.retry(wanted)).map(({ retried }) => retried),
    expected,
  );
}

async function purge({ client, model }: System, query: PurgeQuery): Promise<void> {
  const gone = model
    .in(query.state)
    .filter((task) => (query.queue ?? task.queue) === task.queue && (query.type ?? task.type) === task.type);
  for (const task of gone) model.purge(task);
  assert.equal(await client.purge(query, 1000), gone.length);
}

async function pause({ client, model }: System, wanted: PauseTarget): Promise<void> {
  await client.pause(wanted);
  (wanted.kind === "queue" ? model.pausedQueues : model.pausedTypes).add(wanted.name);
}

async function resume(system: System, wanted: PauseTarget): Promise<void> {
  await system.client.resume(wanted);
  if (wanted.kind === "queue") system.model.pausedQueues.delete(wanted.name);
  else system.model.resumeType(wanted.name);
  system.somebodyResumed();
}

async function comeDue({ raw, model }: System): Promise<void> {
  for (const task of model.in("scheduled", "retrying")) {
    await raw.makeDue(task);
    task.due = true;
  }
}

async function promote(system: System, name: string): Promise<void> {
  const { broker } = await system.executor(name);
  const expected = system.model.promote();
  assert.equal((await broker.promote(100)).promoted, expected);
}

/** The time of all records of a state is over, and somebody cleans up. */
async function expireAndClean(system: System, state: EndedState, name: string): Promise<void> {
  const { raw, model } = system;
  await raw.keepRecords();
  for (const task of model.in(state)) {
    await raw.expireRecord(task);
    // While its entry stands in line, whoever claims that must be able to know what it is.
    if (!task.ghost) model.forget(task);
  }
  await (await system.executor(name)).broker.clean();
}

async function expireKey({ raw, model }: System, of: string): Promise<void> {
  await raw.expireKey(of, TIMED_KEY);
  model.keys.delete(`${of}:${TIMED_KEY}`);
}

type EndedState = PurgeQuery["state"];
const ended = fc.constantFrom<EndedState>("done", "dead", "cancelled");
const ends = fc.array(fc.constantFrom<EndKind>("done", "done", "retry", "dead", "cancelled"), {
  minLength: 1,
  maxLength: 4,
});
const purgeQuery: fc.Arbitrary<PurgeQuery> = fc.record({ state: ended, queue, type }, { requiredKeys: ["state"] });

const weighted = (weight: number, arbitrary: fc.Arbitrary<Command>) =>
  Array<fc.Arbitrary<Command>>(weight).fill(arbitrary);

/** @param processes - whether executors that die are processes of their own, killed for real. */
export function commandSequences(maxCommands: number, processes: boolean) {
  const all = [
    ...weighted(6, command("enqueue", enqueue, fc.array(request, { minLength: 1, maxLength: 4 }))),
    ...weighted(
      5,
      command("claim", (system, name, max) => system.claim(name, max), executor, few),
    ),
    ...weighted(
      4,
      command("complete", (system, name, kinds) => system.complete(name, kinds), executor, ends),
    ),
    ...weighted(3, command("cancel", cancel, ids)),
    ...weighted(2, command("retry", retry, ids)),
    command("release", (system, name, most) => system.release(name, most), executor, few),
    command("renew", (system, name) => system.renew(name), executor),
    command("purge", purge, purgeQuery),
    command("pause", pause, target),
    ...weighted(2, command("resume", resume, target)),
    command("come due", comeDue),
    ...weighted(2, command("promote", promote, executor)),
    command("expire a key", expireKey, queue),
    command("expire records and clean", expireAndClean, ended, executor),
    command("kill", async (system, name) => system.kill(name), executor),
    ...weighted(
      processes ? 5 : 1,
      command("claim and die", (system, name, max) => system.claimAndDie(name, max, processes), executor, few),
    ),
    command("restart", async (system, name) => void (await system.executor(name)), executor),
    command("step the clock", (system, ms) => system.stepClock(ms), fc.constantFrom(-3 * HOUR, 0, 5 * HOUR)),
    ...weighted(
      2,
      command("expire leases", (system, name) => system.expire(name), executor),
    ),
    ...weighted(
      2,
      command("reclaim", (system, name) => system.reclaim(name), executor),
    ),
  ];
  return fc.commands<object, System, false>(all, { maxCommands, size: "max", ...replay() });
}

/** What a failed run printed as its replayPath. */
function replay() {
  const { MODEL_REPLAY } = process.env;
  return MODEL_REPLAY === undefined ? {} : { replayPath: MODEL_REPLAY };
}

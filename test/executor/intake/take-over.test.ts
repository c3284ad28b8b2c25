/**
 * What is taken over from others and what is taken up as our own, at the same time: neither mistakes what the other one
 * has just brought for its own find.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, Delivery } from "../../../src/broker/broker.ts";
import { checkpoint, openRoot, sleepForever, withNursery } from "../../../src/concurrency/index.ts";
import { RunningAttempts } from "../../../src/executor/attempt/running-attempts.ts";
import { Intake } from "../../../src/executor/intake/intake.ts";
import { SharedTurn } from "../../../src/executor/intake/shared-turn.ts";
import type { Completion } from "../../../src/executor/reports/completion.ts";
import { until } from "../../stage/until.ts";

const SOON_MS = 10_000;

/** An intake that says what its broker is asked, and goes on when the test lets it. */
function intakeOver(
  asked: string[],
  started: string[],
  { room = Promise.resolve(), answered = Promise.resolve() }: { room?: Promise<void>; answered?: Promise<void> },
): Intake {
  const broker: Partial<Broker> = {
    isRemote: true,
    async recover() {
      asked.push("recover");
      await answered;
      asked.push("recovered");
      return [];
    },
    claim: (_, signal) => sleepForever(signal) as Promise<never>,
  };
  const completion: Partial<Completion> = { room: () => room, deliveries: () => [] };
  const parts = {
    broker: broker as Broker,
    running: new RunningAttempts(),
    completion: completion as Completion,
    turn: new SharedTurn({ written: async () => {} }, { size: 0 }),
    recoverAtOnce: true,
    start: ({ handle }: Delivery) => started.push(handle),
    left: { deliveries: () => [] },
    most: () => 4,
  };
  return new Intake(parts, 4);
}

test("no look for orphans goes beside the recovery of what is ours: it waits until that is over", async () => {
  const asked: string[] = [];
  const started: string[] = [];
  const answer = Promise.withResolvers<void>();
  const intake = intakeOver(asked, started, { answered: answer.promise });
  await withNursery(openRoot(), async (nursery) => {
    const { signal } = nursery.scope;
    intake.run(nursery);
    await until("the recovery is under way", SOON_MS, () => asked.includes("recover"));
    const look = async () => {
      asked.push("look");
      return [{ handle: "orphan" } as Delivery];
    };
    const looked = intake.takeOrphans(look, signal);
    await turns(signal);
    answer.resolve();
    assert.equal(await looked, false);
    nursery.scope.cancel("seen");
  });
  assert.deepEqual(asked, ["recover", "recovered", "look"]);
  assert.deepEqual(started, ["orphan"]);
});

test("no recovery goes beside a look for orphans: it waits until what was found is known as ours", async () => {
  const asked: string[] = [];
  const started: string[] = [];
  const room = Promise.withResolvers<void>();
  const intake = intakeOver(asked, started, { room: room.promise });
  const found = Promise.withResolvers<readonly Delivery[]>();
  await withNursery(openRoot(), async (nursery) => {
    const { signal } = nursery.scope;
    intake.run(nursery);
    // The claim loop has its slots, and waits for room.
    await turns(signal);
    const looked = intake.takeOrphans(() => {
      asked.push("look");
      return found.promise;
    }, signal);
    room.resolve();
    await turns(signal);
    asked.push("found");
    found.resolve([{ handle: "orphan" } as Delivery]);
    await looked;
    await until("the recovery is over", SOON_MS, () => asked.includes("recovered"));
    nursery.scope.cancel("seen");
  });
  assert.deepEqual(asked, ["look", "found", "recover", "recovered"]);
  assert.deepEqual(started, ["orphan"]);
});

/** Whatever can go on has gone on by then. */
async function turns(signal: AbortSignal): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await checkpoint(signal);
}

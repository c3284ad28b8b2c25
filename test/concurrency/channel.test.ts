import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BrokenResourceError,
  ClosedResourceError,
  EndOfChannelError,
  openChannel,
  type ReceiveChannel,
  WouldBlockError,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, mockRoot, rejection, settle, thrown } from "./support.ts";

test("rule 60: capacity is an integer >= 0 or Infinity", () => {
  for (const capacity of [-1, 0.5, Number.NaN, -Infinity]) {
    assertInstance(
      thrown(() => openChannel(capacity)),
      RangeError,
    );
  }
  assert.equal(openChannel(0)[0].statistics().capacity, 0);
  assert.equal(openChannel(Infinity)[0].statistics().capacity, Infinity);
});

test("rule 60: with capacity 0 a send waits for its receive", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(0);
  assertInstance(
    thrown(() => sender.sendNowait(1)),
    WouldBlockError,
  );
  let sent = false;
  const send = sender.send(1, root.signal).then(() => {
    sent = true;
  });
  await settle();
  assert.equal(sent, false);
  assert.equal(await receiver.receive(root.signal), 1);
  await send;
  const receive = receiver.receive(root.signal);
  sender.sendNowait(2);
  assert.equal(await receive, 2);
});

test("rule 60: with capacity Infinity a send never waits", () => {
  const [sender, receiver] = openChannel<number>(Infinity);
  for (let i = 0; i < 10_000; i++) sender.sendNowait(i);
  for (let i = 0; i < 10_000; i++) assert.equal(receiver.receiveNowait(), i);
});

test("rule 61: the nowait forms throw WouldBlockError", () => {
  const [sender, receiver] = openChannel<string>(1);
  assertInstance(
    thrown(() => receiver.receiveNowait()),
    WouldBlockError,
  );
  sender.sendNowait("a");
  assertInstance(
    thrown(() => sender.sendNowait("b")),
    WouldBlockError,
  );
  assert.equal(receiver.receiveNowait(), "a");
});

test("rule 62: when the last sender closes, receivers drain the buffer and then get EndOfChannelError", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(2);
  sender.sendNowait(1);
  sender.sendNowait(2);
  sender.close();
  sender.close();
  assert.equal(receiver.receiveNowait(), 1);
  assert.equal(await receiver.receive(root.signal), 2);
  assertInstance(await rejection(receiver.receive(root.signal)), EndOfChannelError);
  assertInstance(
    thrown(() => receiver.receiveNowait()),
    EndOfChannelError,
  );
});

test("rule 62: a receiver that waits learns of the end, and for await just ends", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(0);
  const waiting = rejection(receiver.receive(root.signal));
  const received: number[] = [];
  const loop = (async () => {
    for await (const value of receiver) received.push(value);
    return "ended";
  })();
  await settle();
  assert.equal(receiver.statistics().waitingReceivers, 2);
  sender.close();
  assertInstance(await waiting, EndOfChannelError);
  assert.equal(await loop, "ended");
  assert.deepEqual(received, []);
});

test("rule 63: a closed sender handle: its blocked and later sends get ClosedResourceError", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(0);
  const other = sender.clone();
  const [blocked, blockedOther] = [rejection(sender.send(1, root.signal)), other.send(2, root.signal)];
  await settle();
  sender.close();
  assertInstance(await blocked, ClosedResourceError);
  assertInstance(await rejection(sender.send(3, root.signal)), ClosedResourceError);
  assertInstance(
    thrown(() => sender.sendNowait(3)),
    ClosedResourceError,
  );
  assertInstance(
    thrown(() => sender.clone()),
    ClosedResourceError,
  );
  assert.equal(await receiver.receive(root.signal), 2);
  await blockedOther;
});

test("rule 64: when the last receiver closes, senders get BrokenResourceError", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(1);
  const second = receiver.clone();
  sender.sendNowait(1);
  const blocked = rejection(sender.send(2, root.signal));
  await settle();
  receiver.close();
  await settle();
  assert.equal(sender.statistics().waitingSenders, 1, "one receiver is still open");
  second.close();
  assertInstance(await blocked, BrokenResourceError);
  assertInstance(await rejection(sender.send(3, root.signal)), BrokenResourceError);
  assertInstance(
    thrown(() => sender.sendNowait(3)),
    BrokenResourceError,
  );
  assert.equal(sender.statistics().bufferUsed, 0);
});

test("rule 65: receiving on a closed handle gets ClosedResourceError", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(1);
  const blocked = rejection(receiver.receive(root.signal));
  await settle();
  receiver.close();
  receiver.close();
  assertInstance(await blocked, ClosedResourceError);
  assertInstance(await rejection(receiver.receive(root.signal)), ClosedResourceError);
  assertInstance(
    thrown(() => receiver.receiveNowait()),
    ClosedResourceError,
  );
  assertInstance(
    thrown(() => receiver.clone()),
    ClosedResourceError,
  );
  assertInstance(await rejection(receiver.values().next()), ClosedResourceError);
  sender.close();
});

test("rule 66: clones are counted, and closing one wakes only its own waiters", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(0);
  const clone = receiver.clone();
  const senderClone = sender.clone();
  assert.equal(receiver.statistics().openReceivers, 2);
  assert.equal(receiver.statistics().openSenders, 2);
  const [first, second] = [rejection(receiver.receive(root.signal)), clone.receive(root.signal)];
  await settle();
  receiver.close();
  assertInstance(await first, ClosedResourceError);
  assert.equal(clone.statistics().waitingReceivers, 1);
  sender.close();
  await senderClone.send(5, root.signal);
  assert.equal(await second, 5);
  senderClone[Symbol.dispose]();
  assertInstance(await rejection(clone.receive(root.signal)), EndOfChannelError);
  clone[Symbol.dispose]();
  assert.equal(clone.statistics().openReceivers, 0);
});

test("rule 67: a waiting receiver owns the next item", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(1);
  const waiting = receiver.receive(root.signal);
  await settle();
  sender.sendNowait(1);
  assertInstance(
    thrown(() => receiver.receiveNowait()),
    WouldBlockError,
  );
  sender.sendNowait(2);
  assert.equal(await waiting, 1);
  assert.equal(receiver.receiveNowait(), 2);
});

test("rule 67: a waiting sender owns the next slot", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(1);
  sender.sendNowait(1);
  const waiting = sender.send(2, root.signal);
  await settle();
  assert.equal(receiver.receiveNowait(), 1);
  assertInstance(
    thrown(() => sender.sendNowait(3)),
    WouldBlockError,
  );
  await waiting;
  assert.equal(receiver.receiveNowait(), 2);
});

test("rule 67: waiters are served first come, first served", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(0);
  const receives = [1, 2, 3].map(() => receiver.receive(root.signal));
  await settle();
  for (const value of [1, 2, 3]) sender.sendNowait(value);
  assert.deepEqual(await Promise.all(receives), [1, 2, 3]);
  const sends = [4, 5, 6].map((value) => sender.send(value, root.signal));
  await settle();
  assert.deepEqual([receiver.receiveNowait(), receiver.receiveNowait(), receiver.receiveNowait()], [4, 5, 6]);
  await Promise.all(sends);
});

test("rule 68: a cancelled waiter leaves the queue, and no item is lost", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(0);
  await withScope(root, {}, async (scope) => {
    const lost = [rejection(receiver.receive(scope.signal))];
    scope.cancel();
    await Promise.all(lost);
  });
  assert.equal(receiver.statistics().waitingReceivers, 0);
  await withScope(root, {}, async (scope) => {
    const withdrawn = rejection(sender.send(1, scope.signal));
    scope.cancel();
    await withdrawn;
  });
  assert.equal(receiver.statistics().waitingSenders, 0);
  const receive = receiver.receive(root.signal);
  await sender.send(2, root.signal);
  assert.equal(await receive, 2);
});

test("rule 68: once handed over, the value beats the abort", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(0);
  await withScope(root, {}, async (scope) => {
    const receive = receiver.receive(scope.signal);
    await settle();
    sender.sendNowait(1);
    scope.cancel();
    assert.equal(await receive, 1);
  });
  await withScope(root, {}, async (scope) => {
    const send = sender.send(2, scope.signal);
    await settle();
    assert.equal(receiver.receiveNowait(), 2);
    scope.cancel();
    await send;
  });
  const { waitingSenders, waitingReceivers } = sender.statistics();
  assert.deepEqual({ waitingSenders, waitingReceivers }, { waitingSenders: 0, waitingReceivers: 0 });
});

test("rule 69: many producers and consumers: each item exactly once", async () => {
  const { root } = mockRoot();
  for (const capacity of [0, 1, 7, Infinity]) {
    const [sender, receiver] = openChannel<number>(capacity);
    const received: number[] = [];
    await withNursery(root, async (nursery) => {
      for (let p = 0; p < 5; p++) {
        const handle = sender.clone();
        nursery.startSoon(async (task) => {
          for (let i = 0; i < 100; i++) await handle.send(p * 100 + i, task.signal);
          handle.close();
        });
      }
      sender.close();
      for (let c = 0; c < 3; c++) {
        const handle = receiver.clone();
        nursery.startSoon(async (task) => {
          for await (const value of handle.values(task.signal)) received.push(value);
          handle.close();
        });
      }
      receiver.close();
    });
    assert.deepEqual(
      received.sort((a, b) => a - b),
      Array.from({ length: 500 }, (_, i) => i),
    );
  }
});

test("rule 69: undefined is a value like any other", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<undefined>(1);
  sender.sendNowait(undefined);
  const blocked = sender.send(undefined, root.signal);
  assert.equal(receiver.receiveNowait(), undefined);
  await blocked;
  assert.equal(await receiver.receive(root.signal), undefined);
  assertInstance(
    thrown(() => receiver.receiveNowait()),
    WouldBlockError,
  );
});

test("rule 70: statistics() shows buffer use, capacity, open handles, waiting tasks", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(2);
  const clone = sender.clone();
  sender.sendNowait(1);
  sender.sendNowait(2);
  const sends = [sender.send(3, root.signal), clone.send(4, root.signal)];
  await settle();
  const expected = {
    bufferUsed: 2,
    capacity: 2,
    openSenders: 2,
    openReceivers: 1,
    waitingSenders: 2,
    waitingReceivers: 0,
  };
  assert.deepEqual(sender.statistics(), expected);
  assert.deepEqual(receiver.statistics(), expected);
  for (let i = 0; i < 4; i++) receiver.receiveNowait();
  await Promise.all(sends);
  const waiting = receiver.receive(root.signal);
  await settle();
  assert.deepEqual(receiver.statistics(), { ...expected, bufferUsed: 0, waitingSenders: 0, waitingReceivers: 1 });
  sender.sendNowait(5);
  await waiting;
});

test("rule 71: leaving a for await early runs the iterator's cleanup, and takes no value more", async () => {
  const { root } = mockRoot();
  const [sender, receiver] = openChannel<number>(3);
  for (const value of [1, 2, 3]) sender.sendNowait(value);
  const cleanups: string[] = [];
  const watched = async function* (channel: ReceiveChannel<number>) {
    try {
      yield* channel.values(root.signal);
    } finally {
      cleanups.push("cleaned up");
    }
  };
  for await (const value of watched(receiver)) if (value === 1) break;
  assert.deepEqual(cleanups, ["cleaned up"]);
  for await (const value of receiver) {
    assert.equal(value, 2);
    break;
  }
  assert.equal(receiver.receiveNowait(), 3);
  assert.equal(receiver.statistics().waitingReceivers, 0);
});

test("rule 71: a for await over values(signal) fails with the cancel, and leaves no waiter", async () => {
  const { root } = mockRoot();
  const [, receiver] = openChannel<number>(0);
  const outcome = await withScope(root, {}, async (scope) => {
    setImmediate(() => scope.cancel());
    for await (const value of receiver.values(scope.signal)) assert.fail(`got ${value}`);
  });
  assert.equal(outcome.cancelled, true);
  assert.equal(receiver.statistics().waitingReceivers, 0);
});

/** What a call of the hot path promises once it is written: the executor starts tasks behind it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RedisConnections } from "../../src/broker/redis/connection/connections.ts";
import { WriteCoalescer } from "../../src/broker/redis/connection/write-coalescer.ts";

/** A wire whose server never answers, and how many commands each write had. */
function silentWire() {
  const writes: number[] = [];
  const send = (batch: { readonly length: number }): Promise<never> => {
    writes.push(batch.length);
    return new Promise(() => {});
  };
  const connections = { hot: { send }, translate: (error: unknown) => error } as unknown as RedisConnections;
  return { wire: new WriteCoalescer(connections), writes };
}

/** A call whose answer never comes, and is not waited for. */
function begin(call: Promise<unknown>): void {
  call.catch(() => undefined);
}

/** A call that needs some steps until it is at the wire. */
async function lateCall(wire: WriteCoalescer, steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) await Promise.resolve();
  begin(wire.send((batch) => batch.add(["PING"])));
}

test("written tells that all calls of a turn have gone in one write, before there is an answer", async () => {
  const { wire, writes } = silentWire();
  begin(wire.send((batch) => batch.add(["PING"])));
  begin(lateCall(wire, 10));
  begin(wire.sendAlong((batch) => batch.add(["PING"])));
  await wire.written();
  assert.deepEqual(writes, [3]);
});

test("written waits for a call that is still some steps away", async () => {
  const { wire, writes } = silentWire();
  begin(lateCall(wire, 15));
  await wire.written();
  assert.deepEqual(writes, [1]);
});

test("written does not wait where nothing is to be written, or only what goes with a later answer", async () => {
  const { wire, writes } = silentWire();
  await wire.written();
  begin(wire.send((batch) => batch.add(["PING"])));
  await wire.written();
  begin(wire.sendAlong((batch) => batch.add(["PING"])));
  await wire.written();
  assert.deepEqual(writes, [1]);
});

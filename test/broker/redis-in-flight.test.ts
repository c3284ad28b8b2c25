/** Chunks of one call to Redis, two under way at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inChunks } from "../../src/broker/redis/connection/in-flight.ts";

const numbers = Array.from({ length: 95 }, (_, index) => index);

/** Work whose chunks end when they are told to. */
function held() {
  const begun: { readonly chunk: readonly number[]; end(error?: Error): void }[] = [];
  const work = (chunk: readonly number[]) =>
    new Promise<readonly string[]>((resolve, reject) => {
      const end = (error?: Error): void => (error === undefined ? resolve(chunk.map(String)) : reject(error));
      begun.push({ chunk, end });
    });
  return { begun, work };
}

const settle = async (): Promise<void> => {
  for (let step = 0; step < 20; step += 1) await Promise.resolve();
};

test("two chunks are under way at a time, and the answers come in order", async () => {
  const { begun, work } = held();
  const all = inChunks(numbers, 10, work);
  for (let ended = 0; ended < 10; ended += 2) {
    assert.equal(begun.length, ended + 2);
    begun[ended + 1]?.end();
    begun[ended]?.end();
    await settle();
  }
  assert.equal(begun.length, 10);
  assert.deepEqual(begun.at(-1)?.chunk, [90, 91, 92, 93, 94]);
  assert.deepEqual(await all, numbers.map(String));
  assert.deepEqual(await inChunks([], 10, work), []);
});

test("after one that failed none is begun, and the failure is told once all are over", async () => {
  const { begun, work } = held();
  let told = "";
  const all = inChunks(numbers, 10, work).catch((error: unknown) => {
    told = String(error);
  });
  begun[0]?.end(new Error("refused"));
  await settle();
  assert.equal(told, "");
  begun[1]?.end();
  await all;
  assert.equal(told, "Error: refused");
  assert.equal(begun.length, 2);
});

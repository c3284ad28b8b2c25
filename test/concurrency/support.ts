// What the tests of the core share: a root on virtual time, and ways to wait that never sleep.

import assert from "node:assert/strict";
import { type CancelScope, type ErrorClass, openRoot } from "../../src/concurrency/index.ts";
import { MockClock } from "../../src/testing.ts";

/** A root whose time stands still until the test moves it. */
export function mockRoot(): { root: CancelScope; clock: MockClock } {
  const clock = new MockClock();
  return { root: openRoot({ clock }), clock };
}

/** Lets everything run that can: a few turns of the event loop. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** What a promise rejects with; fails the test when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  assert.fail(`expected a rejection, got ${String(value)}`);
}

/** What a function throws; fails the test when it does not. */
export function thrown(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  assert.fail("expected it to throw");
}

/** Checks the class of a value, and lets the test use it as one. */
export function assertInstance<T>(value: unknown, Class: ErrorClass<T>): asserts value is T {
  assert.ok(value instanceof Class, `expected ${String(Class)}, got ${String(value)}`);
}

/** A promise that knows nothing of signals, settled by the test. */
export function deaf<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

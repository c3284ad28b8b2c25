// What the tests of the core share: a root on virtual time, ways to wait that never sleep, and programs in processes of
// their own.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
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

const start = promisify(execFile);

/** How each runtime starts a program with its garbage collector exposed. */
function runtimeArguments(): string[] {
  if ("Deno" in globalThis) return ["run", "--allow-all", "--no-check", "--v8-flags=--expose-gc"];
  if ("Bun" in globalThis) return ["run"];
  return ["--expose-gc", "--experimental-strip-types", "--no-warnings"];
}

/** Runs a program of programs/ on this runtime until it exits by itself. @returns what it printed. */
export async function runAlone(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const file = fileURLToPath(new URL(`./programs/${program}`, import.meta.url));
  const { stdout } = await start(process.execPath, [...runtimeArguments(), file, ...args], { timeout: timeoutMs });
  return stdout;
}

/** Counts the listeners that are added to a signal from now on and not removed; for one that does not abort. */
export function countListeners(signal: AbortSignal): () => number {
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    count++;
    Reflect.apply(addEventListener, signal, args);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    count--;
    Reflect.apply(removeEventListener, signal, args);
  };
  return () => count;
}

/** A promise that knows nothing of signals, settled by the test. */
export function deaf<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

/** An object, of its own or given, that `await` takes for a promise. */
export function thenable<T = void>(
  then: (resolve: (value: T) => void, reject: (error: unknown) => void) => unknown,
  target: object = {},
): PromiseLike<T> {
  Object.defineProperty(target, thenKey, { value: then });
  assert.ok(isThenable<T>(target));
  return target;
}

/** In a constant, as the linter rightly knows of no good reason for such a property. */
export const thenKey = "then";

function isThenable<T>(value: object): value is PromiseLike<T> {
  return thenKey in value;
}

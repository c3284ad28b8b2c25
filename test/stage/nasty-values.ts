/**
 * Values that a handler may throw, return, log or tell and that cannot be looked at in peace: getters that throw,
 * revoked proxies, no prototype, arrays that lie. Each has a text, so that a property which fails says by what.
 */
import * as fc from "fast-check";
import { NurseryError } from "../../src/concurrency/index.ts";
import { DoNotRetryError, RetryLaterError } from "../../src/task/options/retry.ts";

export interface Nasty {
  readonly value: unknown;
  readonly [fc.toStringMethod]: () => string;
}

const nasty = (text: string, value: unknown): Nasty => ({ value, [fc.toStringMethod]: () => text });

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function throwing(what: unknown): () => never {
  return () => {
    throw what;
  };
}

function withProperty(object: object, key: PropertyKey, property: PropertyDescriptor): object {
  return Object.defineProperty(object, key, { configurable: true, enumerable: true, ...property });
}

/** A proxy that throws whatever it is asked. */
function hostile(target: object, what: unknown): object {
  const refuse = throwing(what);
  const traps = ["get", "has", "ownKeys", "getPrototypeOf", "getOwnPropertyDescriptor", "set", "defineProperty"];
  return new Proxy(target, Object.fromEntries(traps.map((trap) => [trap, refuse])));
}

/** Answers every question with itself, but for the `then` that would make it a promise without an end. */
function mirror(): object {
  const proxy: object = new Proxy(() => proxy, { get: (_, key) => (key === "then" ? undefined : proxy) });
  return proxy;
}

/** A group that has another one in it, made anew, each time it is asked. */
function bottomless(): object {
  return new Proxy(new AggregateError([]), {
    get: (target, key) => (key === "errors" ? [bottomless()] : Reflect.get(target, key)),
  });
}

function group(errors: unknown): AggregateError {
  return Object.assign(new AggregateError([], "a group"), { errors });
}

function cyclic(error: AggregateError): AggregateError {
  error.errors.push(error);
  return error;
}

class Claims extends RetryLaterError {
  constructor(delayMs: unknown) {
    super(0);
    Object.assign(this, { delayMs });
  }
}

class ThrowingDelay extends RetryLaterError {
  constructor() {
    super(0);
    withProperty(this, "delayMs", { get: throwing(Object.create(null)) });
  }
}

/** Handled, as one that nobody waits for would be the process's to bear. */
function rejected(): unknown {
  const promise = Promise.reject(hostile({}, 1));
  promise.catch(() => {});
  return promise;
}

const THROWN = Object.create(null);

const LEAVES: readonly (readonly [text: string, make: () => unknown])[] = [
  ["undefined", () => undefined],
  ["null", () => null],
  ["a symbol", () => Symbol("s")],
  ["a bigint", () => 10n],
  ["NaN", () => Number.NaN],
  ["half a character", () => "\ud83d"],
  ["a brace", () => "{a} {b.c.d}"],
  ["a function", () => () => 1],
  ["a class", () => class A {}],
  ["an object without a prototype", () => Object.create(null)],
  ["a revoked proxy", () => revoked({})],
  ["a revoked array", () => revoked([])],
  ["a revoked error", () => revoked(new Error("x"))],
  ["a hostile proxy", () => hostile({}, THROWN)],
  ["a hostile error", () => hostile(new Error("x"), Symbol("no"))],
  ["a hostile group", () => hostile(new AggregateError([]), revoked({}))],
  ["a mirror", mirror],
  ["a bottomless group", bottomless],
  ["only the prototype of an error", () => Object.create(Error.prototype)],
  ["only the prototype of a group", () => Object.create(AggregateError.prototype)],
  ["only the prototype of a nursery's error", () => Object.create(NurseryError.prototype)],
  ["only the prototype of DoNotRetryError", () => Object.create(DoNotRetryError.prototype)],
  ["a delay that throws", () => new ThrowingDelay()],
  ["a delay that is NaN", () => new Claims(Number.NaN)],
  ["a delay that is endless", () => new Claims(Number.POSITIVE_INFINITY)],
  ["a delay that is negative", () => new Claims(-1)],
  ["a delay that is an object", () => new Claims({ valueOf: throwing(1) })],
  ["no text by toPrimitive", () => ({ [Symbol.toPrimitive]: throwing(revoked({})) })],
  ["no text by toString", () => ({ toString: throwing(1), valueOf: throwing(2) })],
  ["no JSON", () => ({ toJSON: throwing(Object.create(null)) })],
  ["no name by inspect", () => ({ [Symbol.for("nodejs.util.inspect.custom")]: throwing(1) })],
  ["a tag that throws", () => withProperty({}, Symbol.toStringTag, { get: throwing(1) })],
  ["a constructor that throws", () => withProperty(new Error("x"), "constructor", { get: throwing(1) })],
  ["a circle", () => withProperty({}, "self", { get: () => mirror() })],
  ["very many errors", () => group(new Array(2 ** 32 - 1))],
  ["errors that are no array", () => group("none")],
  ["errors that are revoked", () => group(revoked([]))],
  ["errors whose iterator throws", () => group(withProperty([1], Symbol.iterator, { value: throwing(1) }))],
  ["errors whose length lies", () => group(new Proxy([1], { get: () => Number.POSITIVE_INFINITY }))],
  ["a group that holds itself", () => cyclic(new AggregateError([1]))],
  ["a nursery's error that holds only itself", () => cyclic(new NurseryError([]))],
  ["a long text", () => "x".repeat(2_000_000)],
  ["a rejected promise", rejected],
  ["a thenable that throws", () => withProperty({}, "then", { value: throwing(revoked({})) })],
  ["a then that cannot be read", () => withProperty({}, "then", { get: throwing(1) })],
];

const leaf = fc.constantFrom(...LEAVES).map(([text, make]) => nasty(text, make()));

const KEYS = ["message", "name", "stack", "cause", "errors", "code", "delayMs", "toJSON", "toString"] as const;

/** A leaf, or errors and objects in whose properties others stand, or throw when they are read. */
export const nastyValues: fc.Arbitrary<Nasty> = fc.letrec<{ value: Nasty }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc
      .tuple(fc.constantFrom(...KEYS), tie("value"), fc.boolean())
      .map(([key, inner, isThrown]) =>
        nasty(
          `an error whose ${key} ${isThrown ? "throws" : "is"} ${fc.stringify(inner)}`,
          withProperty(new Error("x"), key, isThrown ? { get: throwing(inner.value) } : { value: inner.value }),
        ),
      ),
    fc
      .array(tie("value"), { maxLength: 3 })
      .map((inner) => nasty(`a group of ${fc.stringify(inner)}`, new AggregateError(inner.map(({ value }) => value)))),
    tie("value").map((inner) =>
      nasty(`an object with ${fc.stringify(inner)}`, { a: inner.value, list: [inner.value] }),
    ),
    tie("value").map((inner) => nasty(`toJSON gives ${fc.stringify(inner)}`, { toJSON: () => inner.value })),
  ),
})).value;

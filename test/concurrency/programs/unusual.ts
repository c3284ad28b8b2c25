// Hands the core what no program should, one case after the other, and prints a line of JSON for each: whether the
// block ended, as it should, and what escaped to the process. unusual.test.ts runs it; a process of its own, as a core
// that does not stand it freezes, or throws where nothing can catch.

import {
  AbandonedTaskError,
  Cancelled,
  CancelScope,
  checkpoint,
  findError,
  flattenErrors,
  locateErrors,
  type Nursery,
  NurseryError,
  openRoot,
  sleepForever,
  splitErrors,
  systemClock,
  withNursery,
  withScope,
} from "../../../src/concurrency/index.ts";
import { thenable, thenKey } from "../support.ts";

/** What a case comes to: the error that should leave its block, or another sign that all is well. */
interface Case {
  run(): Promise<unknown>;
  isRight(result: unknown): boolean | undefined;
  /** What the process should hear of: a callback of the user that threw where nobody waits for it. */
  readonly escapes?: readonly string[];
}

class Left {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }

  /** The errors, where it is the group of a nursery. */
  get errors(): readonly unknown[] {
    return this.error instanceof NurseryError ? this.error.errors : [];
  }
}

const cases = new Map<string, Case>();
const broken = new Error("broken");

// ---- errors that cannot be looked at

const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

/** An error with one property that throws when it is read. */
function withTrap<E extends Error>(error: E, property: string): E {
  return Object.defineProperty(error, property, {
    get() {
      throw new Error(`${property} was read`);
    },
  });
}

function withValue<E extends Error>(error: E, property: string, value: unknown): E {
  return Object.defineProperty(error, property, { value });
}

function cyclicGroup(...errors: unknown[]): AggregateError {
  const group = new AggregateError(errors);
  group.errors.push(group);
  return group;
}

function sharedGroup(): AggregateError {
  let group = new AggregateError([broken]);
  for (let i = 0; i < 60; i++) group = new AggregateError([group, group]);
  return group;
}

const unusualErrors: Record<string, unknown> = {
  "a message without a prototype": withValue(new Error("x"), "message", Object.create(null)),
  "a message that is a symbol": withValue(new Error("x"), "message", Symbol("x")),
  "a message that throws": withTrap(new Error("x"), "message"),
  "a name that throws": withTrap(new Error("x"), "name"),
  "a name that is a symbol": withValue(new Error("x"), "name", Symbol("x")),
  "a cause that throws": withTrap(new Error("x"), "cause"),
  "a group whose errors are undefined": withValue(new AggregateError([1]), "errors", undefined),
  "a group whose errors throw": withTrap(new AggregateError([1]), "errors"),
  "a group whose first error throws": withValue(
    new AggregateError([1]),
    "errors",
    Object.defineProperty([1], 0, {
      get() {
        throw new Error("was read");
      },
    }),
  ),
  "a group that is only a prototype": Object.create(AggregateError.prototype),
  "a Cancelled that is only a prototype": Object.create(Cancelled.prototype),
  "a scope that is only a prototype": Object.create(CancelScope.prototype),
  "a group that holds itself": cyclicGroup(1),
  "a group that holds nothing but itself": cyclicGroup(),
  "a group that holds another 2^60 times": sharedGroup(),
  "a revoked proxy": revoked,
  "a symbol": Symbol("x"),
  "an object without a prototype": Object.create(null),
  "a promise": new Promise(() => {}),
  "a thenable": thenable(() => {}),
};

for (const [name, error] of Object.entries(unusualErrors)) {
  const isAlone = (left: unknown) => left instanceof Left && left.errors.length === 1 && left.errors[0] === error;
  const isItself = (left: unknown) => left instanceof Left && left.error === error;
  const fail = () => {
    throw error;
  };
  cases.set(`a child throws ${name}`, {
    run: () => rejected(withNursery(openRoot(), (nursery) => nursery.startSoon(fail))),
    isRight: isAlone,
  });
  cases.set(`a child that was cancelled throws ${name}`, {
    run: () =>
      rejected(
        withScope(openRoot(), {}, (scope) =>
          withNursery(scope, (nursery) => {
            nursery.startSoon(fail);
            nursery.startSoon((task) => checkpoint(task.signal));
            scope.cancel();
          }),
        ),
      ),
    isRight: isAlone,
  });
  cases.set(`a body throws ${name}`, { run: () => rejected(withNursery(openRoot(), fail)), isRight: isAlone });
  cases.set(`a scope's body throws ${name}`, {
    run: () =>
      rejected(
        withScope(openRoot(), {}, (outer) =>
          withScope(outer, {}, (inner) => {
            inner.cancel();
            fail();
          }),
        ),
      ),
    isRight: isItself,
  });
  cases.set(`beside the cancel that goes on outwards, ${name}`, {
    run: () =>
      rejected(
        withScope(openRoot(), { shield: true }, async (shielded) => {
          const root = openRoot();
          await withScope(root, {}, (scope) => {
            scope.cancel();
            throw new NurseryError([error, scope.signal.reason]);
          });
          return shielded;
        }),
      ),
    isRight: isAlone,
  });
  cases.set(`a start fails with ${name}`, {
    run: async () => {
      let left: unknown;
      await withNursery(openRoot(), async (nursery) => {
        left = await rejected(nursery.start(nursery.scope, fail));
      });
      return left;
    },
    isRight: isItself,
  });
  cases.set(`the groups are taken apart: ${name}`, {
    run: async () => {
      const group = new NurseryError([broken, new NurseryError([error])]);
      const [matching, rest] = splitErrors(group, (leaf) => leaf === broken);
      return [
        flattenErrors(group).length > 1 || flattenErrors(error)[0] === broken,
        locateErrors(group).length === flattenErrors(group).length,
        findError(group, NurseryError) === group,
        findError(group, AbandonedTaskError) === undefined,
        flattenErrors(matching)[0] === broken,
        rest === undefined || flattenErrors(rest).length > 0,
      ];
    },
    isRight: (result) => Array.isArray(result) && result.every((one) => one === true),
  });
}

// ---- results that are promises only in name

/** A `then` that rejects at once. */
function failing(_resolve: unknown, reject: (error: unknown) => void): void {
  reject(broken);
}

function fails(): never {
  throw broken;
}

class BrokenPromise extends Promise<void> {}
const itsPrototype: object = BrokenPromise.prototype;
Object.defineProperty(itsPrototype, thenKey, { value: fails });

const unusualResults: Record<string, () => unknown> = {
  "a thenable that rejects": () => thenable(failing),
  "a thenable that throws": () => thenable(fails),
  "a thenable that throws after it has rejected": () =>
    thenable((resolve, reject) => {
      failing(resolve, reject);
      throw new Error("too late");
    }),
  "an object whose then throws when it is read": () => Object.defineProperty({}, thenKey, { get: fails }),
  "a function that is a thenable": () => thenable(failing, () => {}),
  "a promise of a class whose then throws": () => new BrokenPromise(() => {}),
  "a rejected promise of a class whose then throws": () => BrokenPromise.reject(new Error("nobody hears of this one")),
  "a promise with a then of its own that throws": () => thenable(fails, Promise.resolve()),
  "a promise with a constructor of its own that throws": () =>
    Object.defineProperty(Promise.resolve(), "constructor", {
      get() {
        throw broken;
      },
    }),
};

const isBroken = (left: unknown) => left instanceof Left && left.errors.length === 1 && left.errors[0] === broken;

for (const [name, fn] of Object.entries(unusualResults)) {
  cases.set(`a child returns ${name}`, {
    run: () => rejected(withNursery(openRoot(), (nursery) => nursery.startSoon(fn))),
    isRight: isBroken,
  });
  cases.set(`a body returns ${name}`, {
    run: async () => {
      let left: unknown;
      // The scope around it is left only if the nursery has closed.
      await withScope(openRoot(), {}, async (scope) => {
        left = await rejected(withNursery(scope, fn));
      });
      return left;
    },
    isRight: isBroken,
  });
}

cases.set("a promise that is only a prototype is an error, and ends its nursery", {
  run: () => rejected(withNursery(openRoot(), (nursery) => nursery.startSoon(() => Object.create(Promise.prototype)))),
  isRight: (left) => left instanceof Left && left.errors[0] instanceof TypeError,
});
cases.set("a thenable that fulfils twice and then rejects fulfils once", {
  run: () =>
    withNursery(openRoot(), (nursery) => {
      nursery.startSoon(() =>
        thenable((resolve, reject) => {
          resolve();
          resolve();
          failing(resolve, reject);
        }),
      );
    }),
  isRight: (result) => result === undefined,
});
cases.set("an object whose then is no function is a plain value", {
  run: () => withNursery(openRoot(), (nursery) => nursery.startSoon(() => Object.fromEntries([[thenKey, 1]]))),
  isRight: (result) => result === undefined,
});

// ---- reasons, names and callbacks

for (const [name, reason] of Object.entries({ "no prototype": Object.create(null), symbol: Symbol("x"), revoked })) {
  cases.set(`a root is cancelled by a signal with an unusual reason: ${name}`, {
    run: async () => {
      const controller = new AbortController();
      const root = openRoot({ signal: controller.signal });
      controller.abort(reason);
      return root;
    },
    isRight: (root) => root instanceof CancelScope && root.cancelCalled && root.signal.reason.cause === reason,
  });
  cases.set(`a scope is cancelled for an unusual reason: ${name}`, {
    run: async () => {
      const root = openRoot();
      Reflect.apply(root.cancel, root, [reason]);
      return root;
    },
    isRight: (root) =>
      root instanceof CancelScope && root.cancelCalled && typeof root.signal.reason.reason === "string",
  });
  cases.set(`a child and its nursery have an unusual name: ${name}`, {
    run: () =>
      rejected(
        Reflect.apply(withNursery, undefined, [
          openRoot(),
          (nursery: Nursery) => Reflect.apply(nursery.startSoon, nursery, [fails, { name: reason }]),
          { name: reason },
        ]),
      ),
    isRight: (left) =>
      isBroken(left) && left instanceof Left && locateErrors(left.error)[0]?.path.every((at) => typeof at === "string"),
  });
}
cases.set("a function has an unusual name", {
  run: () =>
    rejected(
      withNursery(openRoot(), (nursery) => {
        nursery.startSoon(Object.defineProperty(() => fails(), "name", { value: Symbol("x") }));
      }),
    ),
  isRight: isBroken,
});

for (const [name, onAbandoned] of Object.entries({
  rejects: async () => {
    throw broken;
  },
  "returns a thenable that rejects": () => thenable(failing),
})) {
  const options: object = { graceMs: 1, onAbandoned };
  cases.set(`an onAbandoned that ${name} is not waited for, and its error is dropped`, {
    run: () =>
      rejected(
        Reflect.apply(withNursery, undefined, [
          openRoot(),
          (nursery: Nursery) => {
            nursery.startSoon(() => new Promise(() => {}));
            nursery.scope.cancel();
          },
          options,
        ]),
      ),
    isRight: (left) => left instanceof Left && left.errors.length === 1 && left.errors[0] instanceof AbandonedTaskError,
  });
}

cases.set("a start that fails before it is awaited still tells who awaits it", {
  run: async () => {
    let left: unknown;
    await withNursery(openRoot(), async (nursery) => {
      const slow = nursery.start(nursery.scope, async (task, started) => {
        for (let i = 0; i < 5; i++) await checkpoint(task.signal);
        started();
      });
      const failed = nursery.start(nursery.scope, () => {
        throw broken;
      });
      await slow;
      left = await rejected(failed);
    });
    return left;
  },
  isRight: (left) => left instanceof Left && left.error === broken,
});

cases.set("an abort listener that throws stops neither the cancel nor the other listeners", {
  run: async () => {
    const record: string[] = [];
    const outcome = await withScope(openRoot(), {}, (outer) =>
      withScope(outer, {}, async (inner) => {
        outer.signal.addEventListener("abort", () => {
          throw broken;
        });
        outer.signal.addEventListener("abort", () => record.push("outer"));
        inner.signal.addEventListener("abort", () => record.push("inner"));
        outer.cancel();
        await sleepForever(inner.signal);
      }),
    );
    return `${outcome.cancelled} ${record.join()}`;
  },
  isRight: (result) => result === "true outer,inner",
  escapes: ["Error: broken"],
});
cases.set("a timer of the system's clock that throws does not cost the others", {
  run: async () => {
    const record: string[] = [];
    await new Promise<void>((resolve) => {
      const at = systemClock.now() + 1;
      systemClock.schedule(at, () => record.push("before"));
      systemClock.schedule(at, () => {
        throw broken;
      });
      systemClock.schedule(at, () => record.push("at the same time"));
      systemClock.schedule(at + 1, resolve);
    });
    return record.join();
  },
  isRight: (result) => result === "before,at the same time",
  escapes: ["Error: broken"],
});

// ---- running them

const escaped: string[] = [];
process.on("unhandledRejection", (error) => escaped.push(`unhandled ${String(error)}`));
process.on("uncaughtException", (error) => escaped.push(String(error)));

/** What a promise rejects with, in a box: an error that is a thenable would be awaited. */
async function rejected(promise: Promise<unknown>): Promise<Left | string> {
  try {
    await promise;
  } catch (error) {
    return new Left(error);
  }
  return "it did not fail";
}

for (const [name, { run, isRight, escapes = [] }] of cases) {
  escaped.length = 0;
  let verdict = "it did not end";
  run().then(
    (result) => {
      verdict = isRight(result) ? "right" : "another result";
    },
    () => {
      verdict = "it failed";
    },
  );
  // Far more than any stall of the machine: it is over only where a case hangs.
  const patience = systemClock.now() + 10_000;
  while (verdict === "it did not end" && systemClock.now() < patience) await pause();
  await pause();
  const isQuiet = JSON.stringify(escaped) === JSON.stringify(escapes);
  process.stdout.write(`${JSON.stringify({ name, verdict, escaped: isQuiet ? "as it should" : escaped })}\n`);
}
process.exit(0);

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

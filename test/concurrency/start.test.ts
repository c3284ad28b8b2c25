import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AbandonedTaskError,
  Cancelled,
  type CancelScope,
  ClosedResourceError,
  findError,
  flattenErrors,
  isCancellation,
  type Nursery,
  NurseryError,
  openRoot,
  sleepForever,
  snapshotTree,
  type Task,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, deaf, mockRoot, rejection, settle } from "./support.ts";

test("rule 21: start waits for started(v) and gives v; the child then belongs to the nursery", async () => {
  const { root } = mockRoot();
  const [ready, end] = [deaf(), deaf()];
  const record: string[] = [];
  const block = withNursery(root, async (nursery) => {
    const port = await nursery.start<number>(root, async (_task, started) => {
      await ready.promise;
      started(8080);
      await end.promise;
      record.push("child ended");
    });
    record.push(`started on ${port}`);
  }).then(() => record.push("nursery left"));
  await settle();
  assert.deepEqual(record, []);
  ready.resolve();
  await settle();
  assert.deepEqual(record, ["started on 8080"]);
  end.resolve();
  await block;
  assert.deepEqual(record, ["started on 8080", "child ended", "nursery left"]);
});

test("rule 21: once started, a child fails the nursery, not the caller", async () => {
  const error = new Error("later");
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      const value = await nursery.start<string>(nursery.scope, async (_task, started) => {
        started("up");
        await settle();
        throw error;
      });
      assert.equal(value, "up");
      await sleepForever(nursery.scope.signal);
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
});

test(
  "rule 21: once started, a cancel of the caller does not reach the child, a cancel of the " + "nursery does",
  async () => {
    const record: string[] = [];
    await withNursery(openRoot(), async (nursery) => {
      await withScope(nursery.scope, {}, async (caller) => {
        await nursery.start(caller, async (task, started) => {
          started();
          await rejection(sleepForever(task.signal));
          record.push("child cancelled");
        });
        caller.cancel();
      });
      await settle();
      record.push("caller left");
      nursery.scope.cancel();
    });
    assert.deepEqual(record, ["caller left", "child cancelled"]);
  },
);

test("rule 22: an error before started goes to the caller unwrapped, not to the nursery", async () => {
  const error = new Error("cannot bind");
  await withNursery(openRoot(), async (nursery) => {
    const caught = await rejection(
      nursery.start(nursery.scope, async () => {
        throw error;
      }),
    );
    assert.equal(caught, error);
    assert.equal(nursery.scope.signal.aborted, false);
  });
});

test("rule 22: a synchronous throw before started goes to the caller, too", async () => {
  const error = new Error("at once");
  await withNursery(openRoot(), async (nursery) => {
    const caught = await rejection(
      nursery.start(nursery.scope, () => {
        throw error;
      }),
    );
    assert.equal(caught, error);
  });
});

test("rule 23: that error keeps its cause", async () => {
  const cause = new Error("EADDRINUSE");
  await withNursery(openRoot(), async (nursery) => {
    const caught = await rejection(
      nursery.start(nursery.scope, async () => {
        throw new Error("cannot bind", { cause });
      }),
    );
    assertInstance(caught, Error);
    assert.equal(caught.cause, cause);
  });
});

test("rule 24: ending without started() is an error", async () => {
  await withNursery(openRoot(), async (nursery) => {
    const error = await rejection(nursery.start(nursery.scope, async () => {}, { name: "forgetful" }));
    assertInstance(error, Error);
    assert.match(error.message, /"forgetful" ended without calling started\(\)/);
  });
});

test("rule 24: a child that cancels itself before started() is an error for the caller", async () => {
  await withNursery(openRoot(), async (nursery) => {
    const error = await rejection(
      nursery.start(nursery.scope, async (task) => {
        task.scope.cancel("not today");
        await sleepForever(task.signal);
      }),
    );
    assertInstance(error, Error);
    assert.match(error.message, /was cancelled before it called started\(\)/);
    assertInstance(error.cause, Cancelled);
    assert.equal(error.cause.reason, "not today");
  });
});

test("rule 25: started() twice is an error", async () => {
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      await nursery.start<number>(nursery.scope, async (_task, started) => {
        started(1);
        started(2);
      });
    }),
  );
  const [error] = flattenErrors(group);
  assertInstance(error, Error);
  assert.match(error.message, /called started\(\) twice/);
});

test("rule 26: start on a closed nursery fails at once", async () => {
  let kept: Nursery | undefined;
  await withNursery(openRoot(), async (nursery) => {
    kept = nursery;
  });
  let ran = false;
  const error = await rejection(
    kept?.start(openRoot(), () => {
      ran = true;
    }) ?? Promise.resolve(),
  );
  assertInstance(error, ClosedResourceError);
  await settle();
  assert.equal(ran, false);
});

test("rule 27: a pending start keeps the nursery open", async () => {
  const { root } = mockRoot();
  const [ready, end] = [deaf(), deaf()];
  const record: string[] = [];
  let starting: Promise<void> | undefined;
  const block = withNursery(root, async (nursery) => {
    starting = nursery
      .start<string>(root, async (_task, started) => {
        await ready.promise;
        started("in");
        await end.promise;
      })
      .then((value) => {
        record.push(value);
      });
  }).then(() => record.push("left"));
  await settle();
  assert.deepEqual(record, []);
  ready.resolve();
  await starting;
  await settle();
  assert.deepEqual(record, ["in"]);
  end.resolve();
  await block;
  assert.deepEqual(record, ["in", "left"]);
});

test("rule 27: a start that fails lets the nursery go", async () => {
  const { root } = mockRoot();
  const gate = deaf();
  let failed: Promise<unknown> | undefined;
  let left = false;
  const block = withNursery(root, async (nursery) => {
    failed = rejection(nursery.start(root, () => gate.promise));
  }).then(() => {
    left = true;
  });
  await settle();
  assert.equal(left, false);
  gate.resolve();
  await block;
  assertInstance(await failed, Error);
});

test("rule 28: a caller cancelled while waiting cancels the child, whose error leaves through start", async () => {
  const { root } = mockRoot();
  const error = new Error("clean-up failed");
  await withNursery(root, async (nursery) => {
    let fromStart: unknown;
    const fromScope = await rejection(
      withScope(root, {}, async (caller) => {
        const start = nursery.start(caller, async (task) => {
          await rejection(sleepForever(task.signal));
          throw error;
        });
        caller.cancel();
        fromStart = await rejection(start);
        throw fromStart;
      }),
    );
    assert.equal(fromStart, error);
    assert.equal(fromScope, error);
    assert.equal(nursery.scope.signal.aborted, false);
  });
});

test(
  "rule 28: a caller's cancel comes back through start as that Cancelled, for the caller's " + "scope to absorb",
  async () => {
    const { root } = mockRoot();
    await withNursery(root, async (nursery) => {
      const outcome = await withScope(root, {}, async (caller) => {
        const start = nursery.start(caller, (task) => sleepForever(task.signal));
        caller.cancel("no longer wanted");
        const error = await rejection(start);
        assert.equal(isCancellation(error, caller), true);
        throw error;
      });
      assert.ok(outcome.cancelled);
      assert.equal(outcome.reason.reason, "no longer wanted");
    });
  },
);

test("rule 28: a late started() does nothing: the child stays with its caller", async () => {
  const { root } = mockRoot();
  const gate = deaf();
  const error = new Error("after the late started");
  await withNursery(root, async (nursery) => {
    let caller: CancelScope | undefined;
    const call = rejection(
      withScope(root, { name: "caller" }, async (scope) => {
        caller = scope;
        await nursery.start<string>(scope, async (_task, started) => {
          await gate.promise;
          started("late");
          await settle();
          throw error;
        });
      }),
    );
    await settle();
    caller?.cancel();
    gate.resolve();
    assert.equal(await call, error);
    assert.equal(nursery.scope.signal.aborted, false);
  });
});

test("rule 29: a child moved into a cancelled nursery is cancelled, with its descendants", async () => {
  const { root } = mockRoot();
  const [inside, gate] = [deaf(), deaf()];
  const record: string[] = [];
  const wait = (name: string) => async (task: Task) => {
    const error = await rejection(sleepForever(task.signal));
    record.push(`${name}: ${findError(error, Cancelled)?.reason}`);
  };
  await withNursery(root, async (nursery) => {
    const start = nursery.start<string>(root, async (task, started) => {
      await withNursery(task.scope, async (inner) => {
        inner.startSoon(wait("grandchild"));
        inside.resolve();
        await gate.promise;
        started("moved");
        await wait("child")(task);
      });
    });
    await inside.promise;
    nursery.scope.cancel("closing");
    await settle();
    assert.deepEqual(record, [], "until it has started, the child is its caller's");
    gate.resolve();
    assert.equal(await start, "moved");
  });
  assert.deepEqual(record.sort(), ["child: closing", "grandchild: closing"]);
});

test(
  "rules 27 and 51-53: a start that hangs in a cancelled nursery is abandoned by name, and its " + "caller is told",
  async () => {
    const { root, clock } = mockRoot();
    const stuck = deaf();
    let start: Promise<unknown> | undefined;
    const block = rejection(
      withNursery(
        root,
        async (nursery) => {
          start = rejection(nursery.start(root, () => stuck.promise, { name: "never ready" }));
          nursery.scope.cancel();
        },
        { graceMs: 5 },
      ),
    );
    await settle();
    await clock.advance(5);
    const group = await block;
    assertInstance(group, NurseryError);
    assert.equal(findError(group, AbandonedTaskError)?.taskName, "never ready");
    assert.match(String(await start), /abandoned before it called started/);
    stuck.resolve();
    await settle();
    assert.deepEqual(snapshotTree(root).children, []);
  },
);

test(
  "rules 28 and 51-53: started() after the child was abandoned does nothing: it stays in sight, and its error " +
    "is reported",
  async () => {
    const { root, clock } = mockRoot();
    const gate = deaf();
    const late = new Error("late");
    let start: Promise<unknown> | undefined;
    let begun = false;
    const block = rejection(
      withNursery(
        root,
        (nursery) => {
          const child = async (_task: Task, started: (value: string) => void) => {
            await gate.promise;
            started("too late");
            begun = true;
            await settle();
            throw late;
          };
          start = rejection(nursery.start<string>(root, child));
          nursery.scope.cancel();
        },
        { graceMs: 5 },
      ),
    );
    await settle();
    await clock.advance(5);
    const abandoned = findError(await block, AbandonedTaskError);
    assert.match(String(await start), /abandoned before it called started/);
    gate.resolve();
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(begun, true);
    assert.deepEqual(
      snapshotTree(root).children.map(({ name, state }) => `${name} is ${state}`),
      ["child is abandoned"],
    );
    assert.deepEqual(await abandoned?.settled, { status: "rejected", reason: late });
    assert.deepEqual(snapshotTree(root).children, []);
  },
);

test("rule 22: a start that fails before anyone awaits it is never an unhandled rejection", async () => {
  // Every runner fails the test in which a rejection stays unhandled for a turn of the event loop.
  const error = new Error("cannot bind");
  const ready = deaf();
  let left: unknown;
  await withNursery(openRoot(), async (nursery) => {
    const slow = nursery.start(nursery.scope, async (_task, started) => {
      await ready.promise;
      started();
    });
    const failed = nursery.start(nursery.scope, () => {
      throw error;
    });
    await settle();
    ready.resolve();
    await slow;
    left = await rejection(failed);
  });
  assert.equal(left, error);
});

test(
  "rules 27 and 51-53: a child that is starting for another nursery and is abandoned lets that " + "nursery go",
  async () => {
    const { root, clock } = mockRoot();
    const stuck = deaf();
    await withNursery(root, async (other) => {
      const block = rejection(
        withNursery(
          root,
          async (nursery) => {
            nursery.startSoon((task) => rejection(other.start(nursery.scope, () => stuck.promise)).then(() => task));
            await settle();
            nursery.scope.cancel();
          },
          { graceMs: 5 },
        ),
      );
      await settle();
      await clock.advance(5);
      assert.ok(findError(await block, AbandonedTaskError));
    });
    stuck.resolve();
  },
);

for (const order of ["before", "after"] as const) {
  test(
    "rules 36 and 51-53: a child abandoned while it starts behind its caller's shield sees its root's cancel " +
      `from ${order} that`,
    async () => {
      const { root, clock } = mockRoot();
      const stuck = deaf();
      let signal: AbortSignal | undefined;
      let start: Promise<unknown> | undefined;
      const block = withScope(root, { shield: true }, (shielded) =>
        rejection(
          withNursery(
            shielded,
            async (nursery) => {
              start = rejection(
                nursery.start(shielded, (task) => {
                  signal = task.signal;
                  return stuck.promise;
                }),
              );
              nursery.scope.cancel();
            },
            { graceMs: 5 },
          ),
        ),
      );
      await settle();
      if (order === "before") root.cancel("too late for the shielded");
      assert.equal(signal?.aborted, false, "the shield keeps it out");
      await clock.advance(5);
      await block;
      assert.match(String(await start), /abandoned before it called started/);
      if (order === "after") root.cancel("too late for the shielded");
      assert.equal(signal?.aborted, true, "below the root nothing keeps it out");
      assertInstance(signal.reason, Cancelled);
      assert.equal(signal.reason.reason, "too late for the shielded");
      stuck.resolve();
      await settle();
    },
  );
}

test("rule 14: start refuses a caller that is no scope", async () => {
  await withNursery(openRoot(), async (nursery) => {
    const error: unknown = await rejection(Reflect.apply(nursery.start, nursery, [undefined, () => {}]));
    assertInstance(error, TypeError);
    assert.match(error.message, /Expected a CancelScope/);
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cancelled,
  ClosedResourceError,
  checkpoint,
  findError,
  flattenErrors,
  locateErrors,
  type Nursery,
  NurseryError,
  openRoot,
  sleep,
  sleepForever,
  snapshotTree,
  splitErrors,
  type TreeNode,
  treeText,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, deaf, mockRoot, rejection, settle, thenable, thrown } from "./support.ts";

test("rule 1: the block exits only when the body and every child have ended", async () => {
  const { root } = mockRoot();
  const [first, second, body] = [deaf(), deaf(), deaf()];
  let left = false;
  const block = withNursery(root, async (nursery) => {
    nursery.startSoon(() => first.promise);
    nursery.startSoon(() => second.promise);
    await body.promise;
  }).then(() => {
    left = true;
  });
  for (const part of [first, body, second]) {
    await settle();
    assert.equal(left, false);
    part.resolve();
  }
  await block;
  assert.equal(left, true);
});

test("rule 1: two children take turns", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  const looper = (name: string) => async (task: { signal: AbortSignal }) => {
    for (let i = 0; i < 3; i++) {
      record.push(`${name}${i}`);
      await checkpoint(task.signal);
    }
  };
  await withNursery(root, async (nursery) => {
    nursery.startSoon(looper("a"));
    nursery.startSoon(looper("b"));
  });
  assert.deepEqual(record, ["a0", "b0", "a1", "b1", "a2", "b2"]);
});

test("rules 1 and 9: what a child returns counts as a promise if await would wait for it", async () => {
  const { root } = mockRoot();
  const error = new Error("rejected");
  for (const target of [{}, () => {}]) {
    const gate = deaf();
    let left = false;
    const block = withNursery(root, (nursery) => {
      nursery.startSoon(() => thenable((resolve) => gate.promise.then(resolve, resolve), target));
    }).then(() => {
      left = true;
    });
    await settle();
    assert.equal(left, false, "it is waited for");
    gate.resolve();
    await block;
  }
  for (const target of [{}, () => {}]) {
    const group = await rejection(
      withNursery(root, (nursery) => nursery.startSoon(() => thenable((_, reject) => reject(error), target))),
    );
    assert.deepEqual(flattenErrors(group), [error]);
  }
  const left = await rejection(withNursery(root, () => thenable((_, reject) => reject(error))));
  assertInstance(left, NurseryError);
  assert.deepEqual(left.errors, [error]);
});

test("rule 2: an error of the body alone still comes as a group", async () => {
  const error = new Error("body");
  const group = await rejection(
    withNursery(openRoot(), async () => {
      throw error;
    }),
  );
  assertInstance(group, NurseryError);
  assertInstance(group, AggregateError);
  assert.equal(group.errors.length, 1);
  assert.equal(group.errors[0], error);
});

test("rule 3: a child's error comes in a group, the same object inside", async () => {
  const error = new TypeError("child");
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(async () => {
        throw error;
      });
    }),
  );
  assertInstance(group, NurseryError);
  assert.equal(group.errors.length, 1);
  assert.equal(group.errors[0], error);
  assert.match(group.message, /1 error in a nursery: TypeError: child/);
});

test("rule 4: a child's error cancels its siblings, whose cancellations are not reported", async () => {
  const error = new Error("crash");
  const siblings: unknown[] = [];
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      for (let i = 0; i < 2; i++) {
        nursery.startSoon(async (task) => {
          siblings.push(await rejection(sleepForever(task.signal)));
          throw siblings[0];
        });
      }
      nursery.startSoon(async () => {
        throw error;
      });
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
  assert.equal(siblings.length, 2);
  assertInstance(siblings[0], Error);
  assert.equal(siblings[0], siblings[1]);
  assert.equal(siblings[0].name, "Cancelled");
});

test("rule 4: a cancel from outside leaves the nursery alone, as that Cancelled", async () => {
  const { root } = mockRoot();
  let escaped: unknown;
  const outcome = await withScope(root, {}, async (outer) => {
    const block = withNursery(outer, async (nursery) => {
      nursery.startSoon((task) => sleepForever(task.signal));
      await sleepForever(nursery.scope.signal);
    });
    outer.cancel("from outside");
    escaped = await rejection(block);
    throw escaped;
  });
  assert.ok(outcome.cancelled);
  assert.equal(escaped, outcome.reason);
  assert.equal(outcome.reason.reason, "from outside");
});

test("rule 4: a cancel from outside leaves the nursery in the group, beside errors", async () => {
  const { root } = mockRoot();
  const error = new Error("clean-up failed");
  let escaped: unknown;
  const left = await rejection(
    withScope(root, {}, async (outer) => {
      const block = withNursery(outer, async (nursery) => {
        nursery.startSoon(async (task) => {
          await rejection(sleepForever(task.signal));
          throw error;
        });
        await sleepForever(nursery.scope.signal);
      });
      outer.cancel("from outside");
      escaped = await rejection(block);
      throw escaped;
    }),
  );
  assertInstance(escaped, NurseryError);
  assert.equal(escaped.errors.length, 2);
  assert.equal(escaped.errors[0], error);
  assert.equal(findError(escaped, Cancelled)?.reason, "from outside");
  assert.deepEqual(flattenErrors(left), [error], "the outer scope absorbs its part and lets the rest go on");
});

test("rule 5: errors of body and child are both collected", async () => {
  const [body, child] = [new Error("body"), new Error("child")];
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(async () => {
        throw child;
      });
      throw body;
    }),
  );
  assert.deepEqual(flattenErrors(group), [body, child]);
});

test("rule 6: errors of two children are both collected", async () => {
  const errors = [new Error("one"), new Error("two")];
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      for (const error of errors) {
        nursery.startSoon(async () => {
          throw error;
        });
      }
    }),
  );
  assert.deepEqual(flattenErrors(group), errors);
});

test("rule 7: a child's error interrupts a body that waits on something signal-aware", async () => {
  const error = new Error("wake up");
  let interrupted: unknown;
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(async () => {
        throw error;
      });
      interrupted = await rejection(sleepForever(nursery.scope.signal));
      throw interrupted;
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
  assert.equal((interrupted as Error).name, "Cancelled");
});

test("rule 8: an error thrown while being cancelled joins the group", async () => {
  const [first, second] = [new Error("first"), new Error("while cancelled")];
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(async (task) => {
        await rejection(sleepForever(task.signal));
        throw second;
      });
      nursery.startSoon(async () => {
        throw first;
      });
    }),
  );
  assert.deepEqual(flattenErrors(group), [first, second]);
});

test("rule 9: synchronous throws and throw undefined are grouped, never swallowed", async () => {
  const error = new Error("synchronous");
  const group = await rejection(
    withNursery(openRoot(), (nursery) => {
      nursery.startSoon(() => {
        throw undefined;
      });
      throw error;
    }),
  );
  assertInstance(group, NurseryError);
  assert.deepEqual(group.errors, [error, undefined]);

  const fromBody = await rejection(
    withNursery(openRoot(), async () => {
      throw undefined;
    }),
  );
  assertInstance(fromBody, NurseryError);
  assert.deepEqual(fromBody.errors, [undefined]);
});

test("rule 10: children may start more children after the body ended, while any child runs", async () => {
  const { root } = mockRoot();
  const gate = deaf();
  const record: string[] = [];
  const block = withNursery(root, async (nursery) => {
    nursery.startSoon(async () => {
      await gate.promise;
      record.push("child");
      nursery.startSoon(() => {
        record.push("grandchild");
        nursery.startSoon(() => record.push("great-grandchild"));
      });
    });
    record.push("body");
  });
  await settle();
  gate.resolve();
  await block;
  assert.deepEqual(record, ["body", "child", "grandchild", "great-grandchild"]);
});

test("rule 11: startSoon on a closed nursery throws", async () => {
  let kept: Nursery | undefined;
  await withNursery(openRoot(), async (nursery) => {
    kept = nursery;
  });
  let ran = false;
  const error = thrown(() =>
    kept?.startSoon(() => {
      ran = true;
    }),
  );
  assertInstance(error, ClosedResourceError);
  await settle();
  assert.equal(ran, false);
});

test("rule 12: a child started in a cancelled nursery still begins, with an aborted signal", async () => {
  let aborted: boolean | undefined;
  await withNursery(openRoot(), async (nursery) => {
    nursery.scope.cancel();
    nursery.startSoon((task) => {
      aborted = task.signal.aborted;
    });
  });
  assert.equal(aborted, true);
});

test("rule 12: a child that is cancelled before it began still begins", async () => {
  let aborted: boolean | undefined;
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => {
      aborted = task.signal.aborted;
    });
    nursery.scope.cancel();
  });
  assert.equal(aborted, true);
});

test("rule 13: startSoon returns before the child runs", async () => {
  const record: string[] = [];
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon(() => record.push("child"));
    record.push("after startSoon");
  });
  assert.deepEqual(record, ["after startSoon", "child"]);
});

test("rule 14: passing a promise instead of a function throws a helpful TypeError at once", async () => {
  const work = async () => {};
  await withNursery(openRoot(), async (nursery) => {
    const error = thrown(() => Reflect.apply(nursery.startSoon, nursery, [work()]));
    assertInstance(error, TypeError);
    assert.match(error.message, /startSoon expects a function, got a promise: pass work/);
    assert.throws(() => Reflect.apply(nursery.startSoon, nursery, [undefined]), /got undefined/);
    const fromStart: unknown = await rejection(Reflect.apply(nursery.start, nursery, [nursery.scope, work()]));
    assertInstance(fromStart, TypeError);
  });
  assertInstance(await rejection(Reflect.apply(withNursery, undefined, [openRoot(), work()])), TypeError);
  assertInstance(await rejection(Reflect.apply(withScope, undefined, [openRoot(), {}, work()])), TypeError);
});

test("rule 15: a child's name comes from the option or the function", async () => {
  const names: string[] = [];
  await withNursery(openRoot(), async (nursery) => {
    function crunch(task: { name: string }) {
      names.push(task.name);
    }
    nursery.startSoon(crunch);
    nursery.startSoon(crunch, { name: "from the option" });
    nursery.startSoon((task) => names.push(task.name));
    await nursery.start(nursery.scope, function ready(task, started) {
      names.push(task.name);
      started();
    });
  });
  assert.deepEqual(names, ["crunch", "from the option", "task", "ready"]);
});

test("rule 16: a cancel reaches grandchildren through nested nurseries", async () => {
  const record: string[] = [];
  const leaf = (name: string) => async (task: { signal: AbortSignal }) => {
    await rejection(sleepForever(task.signal));
    record.push(name);
  };
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon(leaf("child"));
    nursery.startSoon((task) =>
      withNursery(task.scope, async (inner) => {
        inner.startSoon(leaf("grandchild"));
        inner.startSoon((t) =>
          withScope(t.scope, {}, (scope) =>
            withNursery(scope, async (innermost) => innermost.startSoon(leaf("great-grandchild"))),
          ),
        );
      }),
    );
    await settle();
    nursery.scope.cancel();
  });
  assert.deepEqual(record.sort(), ["child", "grandchild", "great-grandchild"]);
});

test("rule 17: a nursery never throws a Cancelled of its own making", async () => {
  let scope: { cancelCalled: boolean; cancelledCaught: boolean } | undefined;
  await withNursery(openRoot(), async (nursery) => {
    scope = nursery.scope;
    nursery.startSoon((task) => sleepForever(task.signal));
    nursery.scope.cancel();
    await sleepForever(nursery.scope.signal);
  });
  assert.equal(scope?.cancelCalled, true);
  assert.equal(scope?.cancelledCaught, true);

  const error = new Error("real");
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon((task) => sleepForever(task.signal));
      nursery.startSoon((task) => withNursery(task.scope, async (inner) => sleepForever(inner.scope.signal)));
      throw error;
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
});

test("rule 17: a nursery whose deadline passes is left as if it had ended", async () => {
  const { root, clock } = mockRoot();
  const block = withNursery(root, async (nursery) => {
    nursery.scope.deadline = 5;
    nursery.startSoon((task) => sleepForever(task.signal));
  });
  await clock.advance(5);
  await block;
  assert.equal(clock.now(), 5);
});

test("rule 18: even one error is wrapped, and nesting is preserved", async () => {
  const error = new Error("deep");
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon((task) =>
        withNursery(task.scope, async (inner) => {
          inner.startSoon(() => {
            throw error;
          });
        }),
      );
    }),
  );
  assertInstance(group, NurseryError);
  assert.equal(group.errors.length, 1);
  const [inner]: unknown[] = group.errors;
  assertInstance(inner, NurseryError);
  assert.equal(inner.errors.length, 1);
  assert.equal(inner.errors[0], error);
});

test("rule 18: each error of a group can be told with the nurseries and tasks it came through", async () => {
  const deep = new TypeError("deep");
  const shallow = new RangeError("shallow");
  const group = await rejection(
    withNursery(
      openRoot(),
      async (outer) => {
        outer.startSoon(
          (task) =>
            withNursery(
              task.scope,
              (inner) => {
                inner.startSoon(
                  async () => {
                    throw deep;
                  },
                  { name: "child" },
                );
              },
              { name: "inner" },
            ),
          { name: "parent" },
        );
        await rejection(sleepForever(outer.scope.signal));
        throw shallow;
      },
      { name: "outer" },
    ),
  );
  assert.deepEqual(locateErrors(group), [
    { error: deep, path: ["outer", "parent", "inner", "child"] },
    { error: shallow, path: ["outer"] },
  ]);
  const [types, ranges] = splitErrors(group, (error) => error === deep);
  assert.deepEqual(locateErrors(types), [{ error: deep, path: ["outer", "parent", "inner", "child"] }]);
  assert.deepEqual(locateErrors(ranges), [{ error: shallow, path: ["outer"] }]);
  assert.deepEqual(locateErrors(deep), [{ error: deep, path: [] }]);
  assert.deepEqual(locateErrors(new AggregateError([group, 1])), [...locateErrors(group), { error: 1, path: [] }]);
});

test("rule 18: the paths survive what a scope strips from a group, and groups nested past the stack", async () => {
  const root = openRoot();
  const error = new Error("kept");
  const group = await rejection(
    withScope(root, {}, (scope) =>
      withNursery(
        scope,
        (nursery) => {
          nursery.startSoon((task) => sleepForever(task.signal), { name: "sleeper" });
          nursery.startSoon(
            async (task) => {
              await rejection(sleepForever(task.signal));
              throw error;
            },
            { name: "failing" },
          );
          scope.cancel();
        },
        { name: "work" },
      ),
    ),
  );
  assert.deepEqual(locateErrors(group), [{ error, path: ["work", "failing"] }]);
  let nested: unknown = group;
  for (let i = 0; i < 20_000; i++) nested = new NurseryError([nested]);
  assert.deepEqual(locateErrors(nested), [{ error, path: ["work", "failing"] }]);
});

test(
  "rule 19: leaving out of order cannot be written: a block waits for a block inside it that " + "nobody awaited",
  async () => {
    const { root } = mockRoot();
    const gate = deaf();
    const record: string[] = [];
    let floating: Promise<unknown> | undefined;
    const outer = withScope(root, {}, async (scope) => {
      floating = withScope(scope, {}, async () => {
        await gate.promise;
        record.push("inner left");
      });
      record.push("outer body ended");
    }).then(() => record.push("outer left"));
    await settle();
    gate.resolve();
    await outer;
    await floating;
    assert.deepEqual(record, ["outer body ended", "inner left", "outer left"]);
  },
);

test("rule 19: tasks and nurseries wait for blocks that nobody awaited, too", async () => {
  const { root } = mockRoot();
  const gate = deaf();
  const record: string[] = [];
  const block = withNursery(root, (nursery) => {
    nursery.startSoon((task) => {
      withScope(task.scope, {}, () => gate.promise).then(
        () => record.push("in the task"),
        (error: unknown) => record.push(String(error)),
      );
    });
    withScope(nursery.scope, {}, () => gate.promise).then(
      () => record.push("in the body"),
      (error: unknown) => record.push(String(error)),
    );
  }).then(() => record.push("nursery left"));
  await settle();
  assert.deepEqual(record, []);
  gate.resolve();
  await block;
  assert.equal(record.at(-1), "nursery left");
  assert.equal(record.length, 3);
});

test("rule 19: a block that nobody awaited is left before the blocks around it, which waited for it", async () => {
  const { root } = mockRoot();
  const gate = deaf();
  const record: string[] = [];
  const block = withNursery(root, (outer) => {
    outer.startSoon((task) => {
      withNursery(task.scope, () => gate.promise).then(
        () => record.push("inner"),
        () => {},
      );
    });
  }).then(() => record.push("outer"));
  await settle();
  gate.resolve();
  await block;
  assert.deepEqual(record, ["inner", "outer"]);
});

test("rule 19: a block that fails cancels the blocks inside it that nobody awaited, and waits for them", async () => {
  const { root } = mockRoot();
  const error = new Error("outer failed");
  const inner: unknown[] = [];
  const left = await rejection(
    withScope(root, {}, async (scope) => {
      withScope(scope, {}, (innerScope) => sleepForever(innerScope.signal)).then(
        (outcome) => inner.push(outcome.cancelled),
        (reason: unknown) => inner.push(reason),
      );
      throw error;
    }),
  );
  assert.equal(left, error);
  assert.deepEqual(inner, [true]);
});

test("rule 19: a task that fails cancels the blocks inside it that nobody awaited, and waits for them", async () => {
  const error = new Error("task failed");
  const inner: unknown[] = [];
  const group = await rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(async (task) => {
        withScope(task.scope, { shield: true }, (scope) =>
          sleepForever(scope.signal).finally(() => inner.push(scope.cancelCalled)),
        ).then(
          () => {},
          (reason: unknown) => inner.push(reason),
        );
        throw error;
      });
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
  assert.deepEqual(inner, [true]);
});

test("rule 19: nothing can be opened in a scope that has been left", async () => {
  const root = openRoot();
  let kept = root;
  await withScope(root, {}, async (scope) => {
    kept = scope;
  });
  assertInstance(await rejection(withScope(kept, {}, async () => {})), ClosedResourceError);
  assertInstance(await rejection(withNursery(kept, async () => {})), ClosedResourceError);
});

test("rule 20: the live tree of nurseries and tasks can be listed: name, age, state", async () => {
  const { root, clock } = mockRoot();
  const block = withNursery(
    root,
    async (nursery) => {
      nursery.startSoon(
        (task) =>
          withNursery(task.scope, async (inner) => inner.startSoon((t) => sleep(1_000, t.signal), { name: "nap" }), {
            name: "inner",
          }),
        { name: "parent" },
      );
      await sleep(100, nursery.scope.signal);
      nursery.startSoon(async (task) => {
        await rejection(sleepForever(task.signal));
        await sleep(50, openRootSignal(clock));
      });
      await sleep(10, nursery.scope.signal);
      nursery.scope.cancel("enough");
    },
    { name: "outer" },
  );
  await settle();
  await clock.advance(100);
  const tree = snapshotTree(root);
  assert.deepEqual(JSON.parse(JSON.stringify(tree)), tree, "survives JSON");
  assert.deepEqual(sketch(tree), [
    "root running 0",
    "  outer running 100",
    "    parent running 100",
    "      inner running 100",
    "        nap running 100",
    "    task running 0",
  ]);
  await clock.advance(15);
  const later = snapshotTree(root);
  assert.deepEqual(sketch(later), ["root running 0", "  outer cancelling 115", "    task cancelling 15"]);
  assert.equal(later.children[0]?.cancellingMs, 5);
  await clock.advance(1_000);
  await block;
  assert.deepEqual(sketch(snapshotTree(root)), ["root running 0"]);
});

function openRootSignal(clock: ReturnType<typeof mockRoot>["clock"]): AbortSignal {
  return openRoot({ clock }).signal;
}

function sketch(node: TreeNode, depth = 0): string[] {
  const line = `${"  ".repeat(depth)}${node.name} ${node.state} ${node.ageMs}`;
  return [line, ...node.children.flatMap((child) => sketch(child, depth + 1))];
}

test(
  "rule 20: a scope with a name is listed, one without passes its children up, an abandoned task " + "stays in sight",
  async () => {
    const { root, clock } = mockRoot();
    const stuck = deaf();
    const block = withScope(root, { name: "listed" }, (listed) =>
      withScope(listed, {}, (hidden) =>
        withNursery(
          hidden,
          async (nursery) => {
            nursery.startSoon(() => stuck.promise, { name: "stuck" });
            nursery.scope.cancel();
          },
          { name: "left", graceMs: 10 },
        ),
      ),
    );
    await settle();
    assert.deepEqual(sketch(snapshotTree(root)), [
      "root running 0",
      "  listed running 0",
      "    left cancelling 0",
      "      stuck cancelling 0",
    ]);
    const left = rejection(block);
    await clock.advance(10);
    assertInstance(await left, NurseryError);
    assert.deepEqual(sketch(snapshotTree(root)), ["root running 0", "  stuck abandoned 10"]);
    stuck.resolve();
    await settle();
    assert.deepEqual(sketch(snapshotTree(root)), ["root running 0"]);
  },
);

test(
  "rule 20: of a tree deeper than 500 levels the listing says how many are below, and is JSON on " + "every runtime",
  async () => {
    const { root } = mockRoot();
    const bottom = deaf();
    const nest = (nursery: Nursery, depth: number) => {
      nursery.startSoon((task) => {
        if (depth > 1) return withNursery(task.scope, (inner) => nest(inner, depth - 1));
        bottom.resolve();
        return sleepForever(task.signal);
      });
      if (depth % 1_000 === 0) nursery.startSoon((task) => sleepForever(task.signal), { name: "beside" });
    };
    const outcome = await withScope(root, {}, async (scope) => {
      const block = withNursery(scope, (nursery) => nest(nursery, 3_000));
      await bottom.promise;
      const tree = snapshotTree(root);
      assert.deepEqual(JSON.parse(JSON.stringify(tree)), tree);
      const levels: TreeNode[] = [];
      for (let node: TreeNode | undefined = tree; node !== undefined; node = node.children.at(0)) levels.push(node);
      assert.equal(levels.length, 501);
      assert.ok(levels.slice(0, -1).every(({ unlisted }) => unlisted === undefined));
      // 3 000 nurseries, a task between each two and one in the innermost, and three beside them, one of them on top.
      assert.equal(levels.at(-1)?.unlisted, 3_000 + 3_000 + 2 - 500);
      assert.match(treeText(tree), / {2}5502 more below\n/);
      scope.cancel();
      await block;
    });
    assert.equal(outcome.cancelled, true);
  },
);

test("rule 20: an abandoned task is listed for every scope that it began below, and for no other", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const listings: string[][] = [];
  await withScope(root, { name: "other" }, async (other) => {
    await withNursery(
      root,
      async (program) => {
        const left = rejection(
          withNursery(
            program.scope,
            (nursery) => {
              nursery.startSoon(() => stuck.promise, { name: "stuck" });
              nursery.scope.cancel();
            },
            { graceMs: 10 },
          ),
        );
        await settle();
        await clock.advance(10);
        await left;
        for (const scope of [root, program.scope, other])
          listings.push(snapshotTree(scope).children.map(({ name }) => name));
      },
      { name: "program" },
    );
  });
  assert.deepEqual(listings, [["other", "program", "stuck"], ["stuck"], []]);
  stuck.resolve();
  await settle();
});

test("rule 3: a child that fails before anyone awaits it is never an unhandled rejection", async () => {
  // Every runner fails the test in which a rejection stays unhandled for a turn of the event loop.
  const error = new Error("early");
  const gate = deaf();
  const block = rejection(
    withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(async () => {
        throw error;
      });
      await gate.promise;
    }),
  );
  await settle();
  gate.resolve();
  assert.deepEqual(flattenErrors(await block), [error]);
});

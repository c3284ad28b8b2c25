// Random programs over nurseries, graces, scopes, deadlines, shields, failures and cancels, and a run of one under a
// MockClock that checks each step against a small model: which scopes have been left, whose cancel must be visible
// where, which errors are under way, who was abandoned. The properties themselves are in properties.test.ts.

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AbandonedTask,
  AbandonedTaskError,
  Cancelled,
  type CancelScope,
  ClosedResourceError,
  checkpoint,
  failAfter,
  flattenErrors,
  moveOnAfter,
  type Nursery,
  NurseryError,
  type Outcome,
  openRoot,
  sleep,
  sleepForever,
  snapshotTree,
  type Task,
  TooSlowError,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { MockClock } from "../../src/testing.ts";
import { settle } from "./support.ts";

/** One thing a task does. `up` counts the scopes outwards from where it stands; too large a number means the root. */
export type Step =
  | { readonly do: "sleep" | "deaf"; readonly ms: number }
  /** An abort is what a wait of somebody else throws in a cancelled scope, a foreign Cancelled that of another tree. */
  | { readonly do: "checkpoint" | "forever" | "fail" | "abort" | "foreign" }
  | { readonly do: "cancel" | "unshield" | "deadline"; readonly up: number; readonly ms: number }
  | {
      readonly do: "scope" | "moveOn" | "failAfter";
      readonly shield: boolean;
      readonly ms: number;
      readonly steps: Step[];
    }
  | { readonly do: "nursery"; readonly graceMs: number; readonly body: Step[]; readonly children: Step[][] }
  | { readonly do: "startSoon"; readonly steps: Step[] }
  | { readonly do: "start"; readonly before: Step[]; readonly after: Step[] }
  | { readonly do: "cleanUp"; readonly steps: Step[]; readonly ms: number };

const duration = fc.nat({ max: 20 });
const up = fc.nat({ max: 5 });
const limit = fc.oneof(duration, fc.constant(Infinity));

const { steps } = fc.letrec<{ step: Step; steps: Step[] }>((tie) => ({
  step: fc.oneof(
    { maxDepth: 5, depthSize: "small", withCrossShrink: true },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("sleep" as const, "deaf" as const), ms: duration }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("checkpoint" as const, "forever" as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom("fail" as const, "abort" as const, "foreign" as const) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("cancel" as const, "unshield" as const, "deadline" as const),
        up,
        ms: limit,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("scope" as const, "moveOn" as const, "failAfter" as const),
        shield: fc.boolean(),
        ms: limit,
        steps: tie("steps"),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("nursery" as const),
        graceMs: fc.oneof({ weight: 2, arbitrary: fc.constant(Infinity) }, { weight: 1, arbitrary: duration }),
        body: tie("steps"),
        children: fc.array(tie("steps"), { maxLength: 3 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("startSoon" as const), steps: tie("steps") }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("start" as const), before: tie("steps"), after: tie("steps") }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("cleanUp" as const), steps: tie("steps"), ms: duration }),
    },
  ),
  steps: fc.array(tie("step"), { maxLength: 4 }),
}));

/** A random program: the body of its outermost nursery. */
export const programs = steps;

/** What the model knows of one scope. */
interface Model {
  readonly scope: CancelScope;
  parent: Model | undefined;
  left: boolean;
  /** Somebody called cancel() on it. */
  asked: boolean;
  /** Something in its nursery has thrown a real error. */
  failed: boolean;
  /** Its nursery has left without it: it runs on, below the root, and what was around it may have been left. */
  abandoned: boolean;
  /** A cancel was visible in it when it was abandoned, and stays so. */
  abandonedCancelled: boolean;
  /** Every deadline it ever had. */
  readonly deadlines: number[];
}

/** A nursery that children can be started in. */
interface Home {
  readonly handle: Nursery;
  readonly model: Model;
  /** Its children that have not ended, by name; one that is starting has its caller as its parent. */
  readonly alive: Map<string, Model>;
}

/** Where a step stands. */
interface Place {
  readonly model: Model;
  readonly nursery: Home | undefined;
}

/** Runs one program to its end. @throws AssertionError where the core departs from the model. */
export async function runProgram(program: readonly Step[]): Promise<void> {
  const run = new Run();
  await run.toTheEnd(program);
}

class Run {
  readonly #clock = new MockClock();
  readonly #root = openRoot({ clock: this.#clock });
  /** Every real error that is under way: each must come out once, at the top or with what was abandoned. */
  readonly #errors = new Set<unknown>();
  readonly #abandoned: AbandonedTask[] = [];
  #tasks = 0;
  #begun = 0;
  #ended = 0;
  readonly #broken: unknown[] = [];
  readonly #models: Model[] = [];

  async toTheEnd(program: readonly Step[]): Promise<void> {
    const root = this.#model(this.#root, undefined);
    let result: PromiseSettledResult<void> | undefined;
    const outermost: Step = { do: "nursery", graceMs: Infinity, body: [...program], children: [] };
    this.#nursery({ model: root, nursery: undefined }, outermost).then(
      () => {
        result = { status: "fulfilled", value: undefined };
      },
      (reason: unknown) => {
        result = { status: "rejected", reason };
      },
    );
    await settle();
    for (let i = 0; result === undefined || this.#ended < this.#begun || this.#clock.pendingTimers > 0; i++) {
      assert.ok(i < 500, "the program does not come to its end");
      // What waits for ever may do so behind a shield, so all of them are cancelled.
      if (this.#clock.pendingTimers === 0 && i > 2) {
        for (const model of this.#models) this.#act(model, { do: "cancel", up: 0, ms: 0 });
      }
      await this.#clock.advance(50);
      await settle();
      if (result !== undefined) this.#root.deadline = Infinity;
    }
    if (this.#broken.length > 0) throw this.#broken[0];
    this.#checkEnd(result, await Promise.all(this.#abandoned.map(({ settled }) => settled)));
  }

  #checkEnd(result: PromiseSettledResult<void>, late: readonly PromiseSettledResult<unknown>[]): void {
    assert.equal(this.#ended, this.#begun, "every task that began has ended");
    assert.equal(this.#clock.pendingTimers, 0, "no timer is left");
    assert.deepEqual(snapshotTree(this.#root).children, [], "nothing is left in the tree");
    const leaves = leavesOf(result);
    const cancellations = leaves.filter((leaf) => this.#isCancellation(leaf));
    for (const cancelled of cancellations) assert.equal(cancelled, this.#root.signal.reason);
    assert.ok(cancellations.length <= 1);
    const errors = leaves.filter((leaf) => !this.#isCancellation(leaf));
    if (errors.length > 0 && result.status === "rejected") assert.ok(result.reason instanceof NurseryError);
    errors.push(...late.flatMap(leavesOf).filter((leaf) => !this.#isCancellation(leaf)));
    assert.deepEqual(new Set(errors), this.#errors, "every error that was thrown came out");
    assert.equal(errors.length, this.#errors.size, "and none of them twice");
  }

  // ---- the model

  #model(scope: CancelScope, parent: Model | undefined): Model {
    const deadlines = [scope.deadline];
    const model = {
      ...{ scope, parent, deadlines, left: false, asked: false, failed: false },
      ...{ abandoned: false, abandonedCancelled: false },
    };
    this.#models.push(model);
    return model;
  }

  #isVisible(model: Model | undefined): boolean {
    if (model === undefined) return false;
    if (model.scope.cancelCalled || model.abandonedCancelled) return true;
    // What is abandoned goes below the root. It has seen a cancel by then, but not where its caller has a shield.
    if (model.abandoned) return this.#root.cancelCalled;
    return this.#isVisibleOutside(model);
  }

  #isVisibleOutside(model: Model): boolean {
    return !model.scope.shield && this.#isVisible(model.parent);
  }

  /** Means nothing but a cancel, of this tree: an abort is thrown only where there is one. */
  #isCancellation(error: unknown): boolean {
    return (error instanceof Cancelled && !this.#errors.has(error)) || isAbort(error);
  }

  /** Checks every scope around a place. Noted rather than only thrown: the core would take it for an error. */
  #check(place: Place): void {
    const now = this.#clock.now();
    for (let model: Model | undefined = place.model; model !== undefined; model = model.parent) {
      const { scope } = model;
      if (model.abandoned) return;
      this.#expect(!model.left, "nothing runs after its scope has been left");
      this.#expect(scope.signal.aborted === this.#isVisible(model), "a cancel is seen exactly where it should be");
      if (scope.deadline <= now) this.#expect(scope.cancelCalled, "a deadline that has passed cancels");
      if (model.asked) this.#expect(scope.cancelCalled, "a cancel that was called stays");
      if (scope.cancelCalled) {
        const isDue = model.deadlines.some((deadline) => deadline <= now);
        this.#expect(model.asked || isDue || model.failed, "nothing is cancelled without a cause");
      }
    }
  }

  #expect(condition: boolean, message: string): void {
    if (condition) return;
    this.#broken.push(new assert.AssertionError({ message }));
  }

  // ---- the steps

  async #steps(place: Place, steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      this.#check(place);
      await this.#step(place, step);
    }
    this.#check(place);
  }

  async #step(place: Place, step: Step): Promise<void> {
    const { signal } = place.model.scope;
    switch (step.do) {
      case "sleep":
        return sleep(step.ms, signal);
      case "deaf":
        return new Promise((resolve) => {
          this.#clock.schedule(this.#clock.now() + step.ms, resolve);
        });
      case "checkpoint":
        return checkpoint(signal);
      case "forever":
        return sleepForever(signal);
      case "fail":
        throw this.#note(new Error(`failure ${this.#errors.size}`));
      case "abort":
        if (this.#isVisible(place.model)) throw new DOMException("aborted", "AbortError");
        return;
      case "foreign":
        throw this.#note(cancelOfAnotherTree());
      case "cancel":
      case "unshield":
      case "deadline":
        return this.#act(this.#above(place, step.up), step);
      case "scope":
      case "moveOn":
      case "failAfter":
        return this.#scope(place, step);
      case "nursery":
        return this.#nursery(place, step);
      case "startSoon":
        return this.#startSoon(place, step);
      case "start":
        return this.#start(place, step);
      case "cleanUp":
        try {
          return await this.#steps(place, step.steps);
        } finally {
          const cleanUp: Step = { do: "sleep", ms: step.ms };
          await this.#scope(place, { do: "scope", shield: true, ms: Infinity, steps: [cleanUp] });
        }
    }
  }

  #note<E>(error: E): E {
    this.#errors.add(error);
    return error;
  }

  #above(place: Place, up: number): Model {
    let { model } = place;
    for (let i = 0; i < up && model.parent !== undefined; i++) model = model.parent;
    return model;
  }

  #act(model: Model, step: Step & { do: "cancel" | "unshield" | "deadline" }): void {
    if (step.do === "unshield") model.scope.unshield();
    else if (step.do === "cancel") {
      model.asked = true;
      model.scope.cancel();
    } else {
      const at = this.#clock.now() + step.ms;
      model.deadlines.push(at);
      model.scope.deadline = at;
    }
  }

  async #scope(place: Place, step: Step & { do: "scope" | "moveOn" | "failAfter" }): Promise<void> {
    const { shield, ms, steps } = step;
    const parent = place.model.scope;
    let model: Model | undefined;
    let outerWasVisible = false;
    const body = async (scope: CancelScope) => {
      model = this.#model(scope, place.model);
      try {
        await this.#steps({ ...place, model }, steps);
      } finally {
        outerWasVisible = this.#isVisibleOutside(model);
      }
    };
    let outcome: Outcome<void> | undefined;
    try {
      if (step.do === "failAfter") await failAfter(parent, ms, body, { shield });
      else if (step.do === "moveOn") outcome = await moveOnAfter(parent, ms, body, { shield });
      else outcome = await withScope(parent, { shield, deadline: this.#clock.now() + ms }, body);
    } catch (error) {
      if (error instanceof TooSlowError && !this.#errors.has(error)) {
        this.#note(error);
        this.#expect(model?.scope.cancelledCaught === true, "too slow only where the scope caught its own cancel");
      } else if (this.#isCancellation(error)) {
        this.#expect(model !== undefined && this.#isVisibleOutside(model), "only an outer cancel leaves a scope");
        this.#expect(!isAbort(error), "an abort leaves a scope as the Cancelled it stands for");
      }
      throw error;
    } finally {
      if (model !== undefined) model.left = true;
    }
    if (outcome?.cancelled && model !== undefined) {
      this.#expect(model.scope.cancelCalled, "a scope absorbs only its own cancel");
      this.#expect(model.scope.cancelledCaught, "a scope says that it absorbed");
      this.#expect(!outerWasVisible, "an outer cancel wins");
    }
  }

  async #nursery(place: Place, step: Step & { do: "nursery" }): Promise<void> {
    let home: Home | undefined;
    const onAbandoned = (abandoned: AbandonedTask) => {
      this.#abandoned.push(abandoned);
      if (home !== undefined) this.#abandon(home, abandoned, step.graceMs);
    };
    const work = async (handle: Nursery) => {
      const model = this.#model(handle.scope, place.model);
      home = { handle, model, alive: new Map() };
      for (const steps of step.children) this.#startSoon({ model, nursery: home }, { do: "startSoon", steps });
      await this.#failing(model, this.#steps({ model, nursery: home }, step.body));
    };
    try {
      await withNursery(place.model.scope, (handle) => this.#tracked(work(handle)), {
        graceMs: step.graceMs,
        onAbandoned,
      });
    } catch (error) {
      const leaves = leavesOf({ status: "rejected", reason: error });
      this.#expect(
        error instanceof NurseryError || error instanceof Cancelled,
        "a nursery throws a group or a Cancelled",
      );
      for (const leaf of leaves) if (leaf instanceof AbandonedTaskError) this.#errors.add(leaf);
      if (leaves.some((leaf) => this.#isCancellation(leaf))) {
        this.#expect(home !== undefined && this.#isVisibleOutside(home.model), "a nursery's own cancel stays inside");
      }
      throw error;
    } finally {
      if (home !== undefined) {
        for (const { abandoned } of home.alive.values()) {
          this.#expect(abandoned, "a nursery is left only when its children have ended, or were abandoned");
        }
        home.model.left = true;
      }
    }
  }

  /** A child of a nursery, or its body, is left behind. */
  #abandon({ model: nursery, alive }: Home, { name }: AbandonedTask, graceMs: number): void {
    this.#expect(this.#isVisible(nursery), "only what was cancelled is abandoned");
    this.#expect(graceMs < Infinity, "and only where there is a grace");
    const model = name.endsWith("(body)") ? nursery : alive.get(name);
    this.#expect(model !== undefined, "what is abandoned has not ended");
    if (model === undefined) return;
    model.abandonedCancelled = this.#isVisible(model);
    model.abandoned = true;
  }

  #startSoon({ nursery }: Place, { steps }: Step & { do: "startSoon" }): void {
    if (nursery === undefined) return;
    const name = `task ${this.#tasks++}`;
    const run = async (task: Task) => {
      const model = this.#model(task.scope, nursery.model);
      nursery.alive.set(name, model);
      try {
        await this.#failing(nursery.model, this.#steps({ model, nursery }, steps));
      } finally {
        model.left = true;
        nursery.alive.delete(name);
      }
    };
    this.#inOpenNursery(nursery, () => nursery.handle.startSoon((task) => this.#tracked(run(task)), { name }));
  }

  /** A body, or a child, that was abandoned finds its nursery closed. */
  #inOpenNursery(nursery: Home, use: () => void): void {
    try {
      use();
    } catch (error) {
      this.#expect(error instanceof ClosedResourceError && nursery.model.left, "a nursery in use is open");
    }
  }

  async #tracked(work: Promise<void>): Promise<void> {
    this.#begun++;
    try {
      await work;
    } finally {
      this.#ended++;
    }
  }

  /** Notes that a nursery has a cause to be cancelled: whatever leaves this work but a cancellation. */
  async #failing(nursery: Model, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (flattenErrors(error).some((leaf) => !this.#isCancellation(leaf))) nursery.failed = true;
      throw error;
    }
  }

  async #start(place: Place, step: Step & { do: "start" }): Promise<void> {
    const { nursery } = place;
    if (nursery === undefined) return;
    const name = `task ${this.#tasks++}`;
    const run = (task: Task, started: () => void) => this.#tracked(this.#starting(task, started, place, nursery, step));
    try {
      await nursery.handle.start<void>(place.model.scope, run, { name });
    } catch (error) {
      if (error instanceof ClosedResourceError && nursery.model.left) return;
      if (error instanceof Error && /^Task .* was (cancelled|abandoned) before it called/.test(error.message)) {
        this.#note(error);
      }
      throw error;
    }
  }

  async #starting(
    task: Task,
    started: () => void,
    place: Place,
    nursery: Home,
    step: Step & { do: "start" },
  ): Promise<void> {
    const model = this.#model(task.scope, place.model);
    nursery.alive.set(task.name, model);
    try {
      await this.#steps({ model, nursery }, step.before);
      // A caller that is cancelled keeps the child.
      const moves = !this.#isVisibleOutside(model) && !model.abandoned;
      started();
      if (moves) model.parent = nursery.model;
      const rest = this.#steps({ model, nursery }, step.after);
      await (moves ? this.#failing(nursery.model, rest) : rest);
    } finally {
      model.left = true;
      nursery.alive.delete(task.name);
    }
  }
}

/** Every error below, each as often as it is there: flattenErrors would hide one that came out twice. */
function leavesOf(result: PromiseSettledResult<unknown>): unknown[] {
  const leaves: unknown[] = [];
  const waiting = result.status === "rejected" ? [result.reason] : [];
  while (waiting.length > 0) {
    const error: unknown = waiting.pop();
    if (error instanceof AggregateError) waiting.push(...error.errors);
    else leaves.push(error);
  }
  return leaves;
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** The Cancelled of a tree that has nothing to do with this one. */
function cancelOfAnotherTree(): unknown {
  const root = openRoot();
  root.cancel("another tree");
  return root.signal.reason;
}

// Random programs over nurseries, scopes, deadlines, shields, failures and cancels, and a run of one under a MockClock
// that checks each step against a small model: which scopes have been left, whose cancel must be visible where, which
// errors are under way. The properties themselves are in properties.test.ts.

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Cancelled,
  type CancelScope,
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
  | { readonly do: "checkpoint" | "forever" | "fail" }
  | { readonly do: "cancel" | "unshield" | "deadline"; readonly up: number; readonly ms: number }
  | {
      readonly do: "scope" | "moveOn" | "failAfter";
      readonly shield: boolean;
      readonly ms: number;
      readonly steps: Step[];
    }
  | { readonly do: "nursery"; readonly body: Step[]; readonly children: Step[][] }
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
    { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const) }) },
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
        body: tie("steps"),
        children: fc.array(tie("steps"), { maxLength: 3 }),
      }),
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
  /** Every deadline it ever had. */
  readonly deadlines: number[];
}

/** Where a step stands. */
interface Place {
  readonly model: Model;
  readonly nursery: { readonly handle: Nursery; readonly model: Model } | undefined;
}

/** Runs one program to its end. @throws AssertionError where the core departs from the model. */
export async function runProgram(program: readonly Step[]): Promise<void> {
  const run = new Run();
  await run.toTheEnd(program);
}

class Run {
  readonly #clock = new MockClock();
  readonly #root = openRoot({ clock: this.#clock });
  /** Every real error that is under way: each must come out at the top, once. */
  readonly #errors = new Set<unknown>();
  #begun = 0;
  #ended = 0;
  readonly #broken: unknown[] = [];
  readonly #models: Model[] = [];

  async toTheEnd(program: readonly Step[]): Promise<void> {
    const root = this.#model(this.#root, undefined);
    let result: PromiseSettledResult<void> | undefined;
    this.#nursery({ model: root, nursery: undefined }, program, []).then(
      () => {
        result = { status: "fulfilled", value: undefined };
      },
      (reason: unknown) => {
        result = { status: "rejected", reason };
      },
    );
    await settle();
    for (let i = 0; result === undefined; i++) {
      assert.ok(i < 500, "the program does not come to its end");
      // What waits for ever may do so behind a shield, so all of them are cancelled.
      if (this.#clock.pendingTimers === 0 && i > 2) {
        for (const model of this.#models) this.#act(model, { do: "cancel", up: 0, ms: 0 });
      }
      await this.#clock.advance(50);
      await settle();
    }
    if (this.#broken.length > 0) throw this.#broken[0];
    this.#checkEnd(result);
  }

  #checkEnd(result: PromiseSettledResult<void>): void {
    assert.equal(this.#ended, this.#begun, "every task that began has ended");
    this.#root.deadline = Infinity;
    assert.equal(this.#clock.pendingTimers, 0, "no timer is left");
    assert.deepEqual(snapshotTree(this.#root).children, [], "nothing is left in the tree");
    const leaves = result.status === "rejected" ? flattenErrors(result.reason) : [];
    const cancellations = leaves.filter((leaf) => leaf instanceof Cancelled);
    const errors = leaves.filter((leaf) => !(leaf instanceof Cancelled));
    assert.deepEqual(new Set(errors), this.#errors, "every error that was thrown came out");
    assert.equal(errors.length, this.#errors.size, "and none of them twice");
    for (const cancelled of cancellations) assert.equal(cancelled, this.#root.signal.reason);
    assert.ok(cancellations.length <= 1);
    if (errors.length > 0 && result.status === "rejected") assert.ok(result.reason instanceof NurseryError);
  }

  // ---- the model

  #model(scope: CancelScope, parent: Model | undefined): Model {
    const model = { scope, parent, left: false, asked: false, failed: false, deadlines: [scope.deadline] };
    this.#models.push(model);
    return model;
  }

  #isVisible(model: Model | undefined): boolean {
    if (model === undefined) return false;
    return model.scope.cancelCalled || (!model.scope.shield && this.#isVisible(model.parent));
  }

  #isVisibleOutside(model: Model): boolean {
    return !model.scope.shield && this.#isVisible(model.parent);
  }

  /** Checks every scope around a place. Noted rather than only thrown: the core would take it for an error. */
  #check(place: Place): void {
    const now = this.#clock.now();
    for (let model: Model | undefined = place.model; model !== undefined; model = model.parent) {
      const { scope } = model;
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
      case "cancel":
      case "unshield":
      case "deadline":
        return this.#act(this.#above(place, step.up), step);
      case "scope":
      case "moveOn":
      case "failAfter":
        return this.#scope(place, step);
      case "nursery":
        return this.#nursery(place, step.body, step.children);
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
      } else if (error instanceof Cancelled) {
        this.#expect(model !== undefined && this.#isVisibleOutside(model), "only an outer cancel leaves a scope");
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

  async #nursery(place: Place, body: readonly Step[], children: readonly Step[][]): Promise<void> {
    let model: Model | undefined;
    const alive = new Set<string>();
    try {
      await withNursery(place.model.scope, async (handle) => {
        model = this.#model(handle.scope, place.model);
        const nursery = { handle, model };
        for (const [i, steps] of children.entries()) {
          alive.add(`child ${i}`);
          handle.startSoon((task) => this.#task(task, nursery, steps).finally(() => alive.delete(`child ${i}`)));
        }
        await this.#failing(nursery.model, this.#steps({ model, nursery }, body));
      });
    } catch (error) {
      const leaves = flattenErrors(error);
      this.#expect(
        error instanceof NurseryError || error instanceof Cancelled,
        "a nursery throws a group or a Cancelled",
      );
      if (leaves.some((leaf) => leaf instanceof Cancelled)) {
        this.#expect(model !== undefined && this.#isVisibleOutside(model), "a nursery's own cancel stays inside");
      }
      throw error;
    } finally {
      this.#expect(alive.size === 0, "a nursery is left only when its children have ended");
      if (model !== undefined) model.left = true;
    }
  }

  async #task(task: Task, nursery: { handle: Nursery; model: Model }, steps: readonly Step[]): Promise<void> {
    const model = this.#model(task.scope, nursery.model);
    await this.#tracked(this.#failing(nursery.model, this.#steps({ model, nursery }, steps)));
    model.left = true;
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
      if (flattenErrors(error).some((leaf) => !(leaf instanceof Cancelled))) nursery.failed = true;
      throw error;
    }
  }

  async #start(place: Place, step: Step & { do: "start" }): Promise<void> {
    const { nursery } = place;
    if (nursery === undefined) return;
    try {
      await nursery.handle.start<void>(place.model.scope, (task, started) =>
        this.#tracked(this.#starting(task, started, place, step)),
      );
    } catch (error) {
      if (error instanceof Error && /^Task .* was cancelled before it called/.test(error.message)) this.#note(error);
      throw error;
    }
  }

  async #starting(task: Task, started: () => void, place: Place, step: Step & { do: "start" }): Promise<void> {
    const model = this.#model(task.scope, place.model);
    const { nursery } = place;
    await this.#steps({ model, nursery }, step.before);
    // A caller that is cancelled keeps the child.
    const moves = !this.#isVisibleOutside(model);
    started();
    if (moves) model.parent = nursery?.model;
    const rest = this.#steps({ model, nursery }, step.after);
    await (moves && nursery !== undefined ? this.#failing(nursery.model, rest) : rest);
    model.left = true;
  }
}

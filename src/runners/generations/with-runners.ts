/**
 * The runners of an executor, generation after generation, for the time of a block: none is left when it has ended. A
 * generation is in charge once all its kinds have said hello; the one before then gets nothing new, ends what runs in
 * it, and leaves. Three live at the most: with two that have not left, a further one waits.
 */
import { type CancelScope, Latch, moveOnAfter, type Nursery, withNursery } from "../../concurrency/index.ts";
import type { HandlerEnding } from "../../handlers/handler.ts";
import { countRestart, NO_RESTARTS, type RestartCounts } from "../looks/restarts.ts";
import { snapshotsOf } from "../looks/snapshots.ts";
import { type Trees, treesOf } from "../looks/trees.ts";
import type { Runner } from "../runner.ts";
import type { RunnerKind } from "../runner-kind.ts";
import type { PoolOptions } from "../runner-pool.ts";
import { type AddHandlers, Generation, type GenerationsView } from "./generation.ts";

/** How long runners may take to leave when they are told to, in ms. */
const LEAVE_MS = 2_000;
/** How many generations may live. */
const MOST_GENERATIONS = 3;

/** For what was given to a generation that left, and whose type the one in charge does not run in runners. */
const MOVED: HandlerEnding = {
  kind: "failed",
  error: { name: "ReloadError", message: "its handlers were reloaded before it began: it runs as they say now" },
  ...{ retry: true, retryInMs: 0, later: true },
};

/** @throws (rejects) what `body` throws. */
export async function withRunners(
  scope: CancelScope,
  body: (runners: Runners, scope: CancelScope) => Promise<void>,
): Promise<void> {
  let failure: { readonly error: unknown } | null = null;
  await withNursery(
    scope,
    async (nursery) => {
      const runners = new Runners(nursery);
      try {
        await body(runners, nursery.scope);
      } catch (error) {
        failure = { error };
      } finally {
        await moveOnAfter(nursery.scope, LEAVE_MS, ({ signal }) => runners.close(signal)).finally(() => runners.kill());
      }
      nursery.scope.cancel("the block has ended");
    },
    { name: "runners" },
  );
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
}

/** What a generation is made of. */
interface Load {
  readonly number: number;
  readonly kinds: readonly RunnerKind[];
  readonly options: PoolOptions;
  /** Takes its handlers, at once: what it throws refuses the generation. */
  readonly accept: AddHandlers;
}

export class Runners {
  readonly #nursery: Nursery;
  /** Those of which something is left, the newest last. */
  readonly #living = new Set<Generation>();
  readonly #restarts: RestartCounts = { ...NO_RESTARTS };
  #current: Generation | null = null;
  #changed = new Latch();

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
  }

  /** What the runners of the generation in charge have loaded, as far as they tell. */
  get files(): readonly string[] {
    return this.#current?.files ?? [];
  }

  view(): GenerationsView {
    const living = [...this.#living];
    return {
      runners: living.flatMap((generation) => generation.view()),
      waiting: living.reduce((sum, { waiting }) => sum + waiting, 0),
      problems: this.#current?.problems ?? [],
      awaited: living.at(-1)?.awaited ?? [],
      restarts: { ...this.#restarts },
    };
  }

  /** What lives in them now, for each attempt that one of them has; in half a second at the most. */
  trees(): Promise<Trees> {
    return treesOf(this.#all(), this.#nursery.scope);
  }

  /** Has each JavaScript runner write a heap snapshot, and logs what became of it. */
  snapshots(pathOf: (pid: number) => string): Promise<void> {
    return snapshotsOf(this.#all(), this.#nursery.scope, pathOf);
  }

  get isFull(): boolean {
    return this.#living.size >= MOST_GENERATIONS;
  }

  /** Waits until so few generations live that another one may be loaded. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.isFull) {
      this.#changed = new Latch();
      await this.#changed.wait(signal);
    }
  }

  /**
   * Opens a generation and puts it in charge.
   *
   * @throws (rejects) RunnerStartError where it cannot be opened; what `accept` throws; the cancel of `scope`. Then the
   *   one before stays.
   */
  async load({ number, kinds, options, accept }: Load, scope: CancelScope): Promise<void> {
    await this.room(scope.signal);
    const changed = (gone?: Runner): void => {
      if (gone !== undefined) countRestart(this.#restarts, gone, (this.#current?.number ?? 0) > number);
      this.#sweep();
    };
    const generation = new Generation(number, kinds, { ...options, changed }, this.#nursery);
    this.#living.add(generation);
    try {
      await generation.open(scope);
      accept(generation.handlers);
    } catch (error) {
      generation.kill();
      this.#sweep();
      throw error;
    }
    const before = this.#current;
    this.#current = generation;
    before?.leave((run) => {
      if (this.#current?.takeOver(run) !== true) run.end(MOVED);
    });
    this.#sweep();
  }

  /** Ends all of them. Resolves when they are gone. */
  async close(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#living].map((generation) => generation.close(signal)));
  }

  kill(): void {
    for (const generation of this.#living) generation.kill();
  }

  #all(): readonly Runner[] {
    return [...this.#living].flatMap(({ runners }) => runners);
  }

  #sweep(): void {
    for (const generation of this.#living) {
      // One without runners is gone as soon as it was opened, and is in charge nevertheless.
      if (generation.isGone && generation !== this.#current) this.#living.delete(generation);
    }
    this.#changed.set();
  }
}

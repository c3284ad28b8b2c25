/**
 * One generation: the pools that were opened together, over the same settings and files. It is opened whole or not at
 * all, runs what it is given, and leaves when another one has taken its place.
 */
import type { CancelScope, Nursery } from "../../concurrency/index.ts";
import type { Handler } from "../../handlers/handler.ts";
import { CATCH_ALL } from "../../task/message/message-schema.ts";
import type { RestartCounts } from "../looks/restarts.ts";
import { type RunnerView, viewOf } from "../looks/runner-view.ts";
import type { Run } from "../run.ts";
import type { Runner } from "../runner.ts";
import { RunnerHandler } from "../runner-handler.ts";
import type { RunnerKind } from "../runner-kind.ts";
import { type PoolOptions, RunnerPool } from "../runner-pool.ts";
import { RunnerStartError } from "../starts.ts";

/** A handler that runners run, and where it comes from, for messages. */
export interface RunnerHandlerOf {
  readonly handler: RunnerHandler;
  readonly source: string;
}

export class Generation {
  readonly number: number;
  readonly #pools: readonly RunnerPool[];
  #handlers = new Map<string, RunnerHandlerOf>();
  #files: readonly string[] = [];

  constructor(number: number, kinds: readonly RunnerKind[], options: PoolOptions, nursery: Nursery) {
    this.number = number;
    this.#pools = kinds.map((kind) => new RunnerPool(kind, options, nursery));
  }

  /** One for each type that its runners have. */
  get handlers(): readonly RunnerHandlerOf[] {
    return [...this.#handlers.values()];
  }

  /** What its runners have loaded, as far as they tell. */
  get files(): readonly string[] {
    return this.#files;
  }

  /** The kinds that have not said hello. */
  get awaited(): readonly string[] {
    return this.#pools.filter(({ isOpen }) => !isOpen).map(({ kind }) => kind.name);
  }

  get runners(): readonly Runner[] {
    return this.#pools.flatMap(({ runners }) => runners);
  }

  /** It leaves, and no process of it is left. */
  get isGone(): boolean {
    return this.#pools.every(({ isGone }) => isGone);
  }

  get waiting(): number {
    return this.#pools.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** Why some of its kinds cannot be started now. */
  get problems(): readonly string[] {
    return this.#pools.flatMap(({ problem }) => problem ?? []);
  }

  view(): RunnerView[] {
    return this.#pools.flatMap(({ kind, runners }) => runners.map((runner) => viewOf(runner, kind.name, this.number)));
  }

  /**
   * Waits until all kinds have said hello.
   *
   * @throws (rejects) RunnerStartError where one has not, or two have the same type; then all of them are killed.
   */
  async open(scope: CancelScope): Promise<void> {
    const failures: unknown[] = [];
    await Promise.all(
      this.#pools.map(async (pool) => {
        try {
          await pool.open(scope);
        } catch (error) {
          failures.push(error);
          this.kill();
        }
      }),
    );
    // What follows from it comes behind it.
    if (failures.length > 0) throw failures[0];
    this.#handlers = handlersOf(this.#pools);
    this.#files = this.#pools.flatMap(({ files }) => files);
  }

  /** Nothing new: each runner leaves when what it has has ended. @param elsewhere - takes what was not handed over. */
  leave(elsewhere: (run: Run) => void): void {
    for (const pool of this.#pools) pool.leave(elsewhere);
  }

  /** Takes over what another generation was given and has not begun; false: it does not have the type. */
  takeOver(run: Run): boolean {
    const found = this.#handlers.get(run.attempt.type) ?? this.#handlers.get(CATCH_ALL);
    found?.handler.takeOver(run);
    return found !== undefined;
  }

  /** Ends all of them. Resolves when they are gone. */
  async close(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close(signal)));
  }

  kill(): void {
    for (const pool of this.#pools) pool.kill();
  }
}

function handlersOf(pools: readonly RunnerPool[]): Map<string, RunnerHandlerOf> {
  const kinds = new Map<string, string>();
  const handlers = new Map<string, RunnerHandlerOf>();
  for (const pool of pools) {
    for (const manifest of pool.types) {
      const { type } = manifest;
      const other = kinds.get(type);
      if (other !== undefined)
        throw new RunnerStartError(`${other} and ${pool.kind.name} both have the type "${type}"`);
      kinds.set(type, pool.kind.name);
      handlers.set(type, {
        handler: new RunnerHandler(manifest, pool),
        source: manifest.file ?? `${pool.kind.name} (${type})`,
      });
    }
  }
  return handlers;
}

/** What is told of several, to whoever looks at their executor. */
export interface GenerationsView {
  readonly runners: readonly RunnerView[];
  readonly waiting: number;
  readonly problems: readonly string[];
  /** The kinds of the generation that is being opened that have not said hello. */
  readonly awaited: readonly string[];
  /** Why runners are gone that others took the place of, since the start. */
  readonly restarts: Readonly<RestartCounts>;
}

export type AddHandlers = (handlers: readonly { readonly handler: Handler; readonly source: string }[]) => void;

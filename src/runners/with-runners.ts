/**
 * The pools of an executor, for the time of a block: all kinds have said hello before it begins, and no runner is left
 * when it has ended.
 */
import { type CancelScope, moveOnAfter, withNursery } from "../concurrency/index.ts";
import type { Handler } from "../handlers/handler.ts";
import { type RunnerView, viewOf } from "./looks/runner-view.ts";
import { snapshotsOf } from "./looks/snapshots.ts";
import { type Trees, treesOf } from "./looks/trees.ts";
import { RunnerHandler } from "./runner-handler.ts";
import type { RunnerKind } from "./runner-kind.ts";
import { type PoolOptions, RunnerPool } from "./runner-pool.ts";
import { RunnerStartError } from "./starts.ts";

/** How long runners may take to leave when they are told to, in ms. */
const LEAVE_MS = 2_000;

export interface Runners {
  /** One for each type that the runners have. */
  readonly handlers: readonly { readonly handler: Handler; readonly source: string }[];
  view(): { readonly runners: readonly RunnerView[]; readonly waiting: number; readonly problems: readonly string[] };
  /** What lives in them now, for each attempt that one of them has; in half a second at the most. */
  trees(): Promise<Trees>;
  /** Has each JavaScript runner write a heap snapshot, and logs what became of it. */
  snapshots(pathOf: (pid: number) => string): Promise<void>;
}

/** @throws (rejects) RunnerStartError where a kind cannot be started, or two have the same type; what `body` throws. */
export async function withRunners(
  scope: CancelScope,
  kinds: readonly RunnerKind[],
  options: PoolOptions,
  body: (runners: Runners, scope: CancelScope) => Promise<void>,
): Promise<void> {
  let failure: { readonly error: unknown } | null = null;
  await withNursery(
    scope,
    async (nursery) => {
      const pools = kinds.map((kind) => new RunnerPool(kind, options, nursery));
      try {
        await Promise.all(pools.map((pool) => pool.open(nursery.scope)));
        const view = (): ReturnType<Runners["view"]> => ({
          runners: pools.flatMap(({ kind, runners }) => runners.map((runner) => viewOf(runner, kind.name))),
          waiting: pools.reduce((sum, { waiting }) => sum + waiting, 0),
          problems: pools.flatMap(({ problem }) => problem ?? []),
        });
        const trees = (): Promise<Trees> =>
          treesOf(
            pools.flatMap(({ runners }) => runners),
            nursery.scope,
          );
        const snapshots = (pathOf: (pid: number) => string): Promise<void> =>
          snapshotsOf(
            pools.flatMap(({ runners }) => runners),
            nursery.scope,
            pathOf,
          );
        await body({ handlers: handlersOf(pools), view, trees, snapshots }, nursery.scope);
      } catch (error) {
        failure = { error };
      } finally {
        await moveOnAfter(nursery.scope, LEAVE_MS, ({ signal }) =>
          Promise.all(pools.map((pool) => pool.close(signal))),
        ).finally(() => {
          for (const pool of pools) pool.kill();
        });
      }
      nursery.scope.cancel("the block has ended");
    },
    { name: "runners" },
  );
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
}

function handlersOf(pools: readonly RunnerPool[]): Runners["handlers"] {
  const kinds = new Map<string, string>();
  return pools.flatMap((pool) =>
    pool.types.map((manifest) => {
      const { type } = manifest;
      const other = kinds.get(type);
      if (other !== undefined)
        throw new RunnerStartError(`${other} and ${pool.kind.name} both have the type "${type}"`);
      kinds.set(type, pool.kind.name);
      return { handler: new RunnerHandler(manifest, pool), source: pool.sourceOf(type) };
    }),
  );
}

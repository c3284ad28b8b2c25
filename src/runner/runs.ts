/** The runs that are under way in this runner, and those that ended last: for the tree, and for last words. */
import { annotatedTree } from "../concurrency/tree.ts";
import { NumberTable } from "../runner-protocol/number-table.ts";
import { MOST_NODES_OF_RUNNER, someNodes } from "../runner-protocol/tree-nodes.ts";
import type { HostedRun } from "./hosted-run.ts";

/** So many names of those that run, and of those that ended last, are told. */
const MOST_RUNNING = 50;
const MOST_ENDED = 16;

export class Runs {
  readonly #runs = new NumberTable<HostedRun>();
  /** By turns overwritten. */
  readonly #endedTypes = new Array<string>(MOST_ENDED).fill("");
  readonly #endedIds = new Array<string>(MOST_ENDED).fill("");
  #endedCount = 0;

  get size(): number {
    return this.#runs.size;
  }

  get(run: number): HostedRun | undefined {
    return this.#runs.get(run);
  }

  add(run: HostedRun): void {
    this.#runs.add(run.run, run);
  }

  remove(run: HostedRun): void {
    this.#runs.remove(run.run);
    const at = this.#endedCount++ % MOST_ENDED;
    this.#endedTypes[at] = run.type;
    this.#endedIds[at] = run.id;
  }

  /** What lives in the nursery of each one. */
  trees(): unknown {
    const room = { left: MOST_NODES_OF_RUNNER };
    return this.#runs.entries().map(([, { run, id, type, scope }]) => {
      const tree = scope === null ? null : annotatedTree(scope, () => undefined, room.left);
      const { children, unlisted } = someNodes(tree?.children ?? [], room);
      const left = unlisted + (tree?.unlisted ?? 0);
      return { run, id, type, children, ...(left === 0 ? {} : { unlisted: left }) };
    });
  }

  /** One of these most likely did whatever nobody can be found for. */
  names(): string {
    const running = this.#runs.entries().map(([, { type, id }]) => `${type} ${id}`);
    const shown = running.slice(0, MOST_RUNNING);
    if (running.length > MOST_RUNNING) shown.push(`and ${running.length - MOST_RUNNING} more`);
    const ended = this.#endedTypes.map((type, at) => `${type} ${this.#endedIds[at]}`).slice(0, this.#endedCount);
    return `running: ${shown.join(", ") || "none"}; ended last: ${ended.join(", ") || "none"}`;
  }
}

/**
 * The trees that a runner tells of its runs: so many nodes of them with names of such a length, however many there are.
 * What is left out is counted. Runners keep to it, and whoever reads them holds them to it.
 */
import * as v from "valibot";
import type { TreeNode } from "../concurrency/index.ts";
import { clip } from "../concurrency/unknown-values.ts";

/** So many nodes one runner tells, and all runners of an executor together. */
export const MOST_NODES_OF_RUNNER = 5_000;
export const MOST_NODES = 10_000;
/** Whoever writes JSON, and most of what reads it, recurses. */
const MOST_LEVELS = 400;
const MOST_NAME = 200;

const Ms = v.pipe(v.number(), v.minValue(0));

const NodeSchema = v.object({
  kind: v.picklist(["root", "nursery", "task", "scope"]),
  name: v.string(),
  ageMs: Ms,
  state: v.picklist(["running", "cancelling", "abandoned"]),
  cancellingMs: v.optional(Ms),
  children: v.optional(v.array(v.unknown()), []),
  unlisted: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
});

const RunTreesSchema = v.array(
  v.object({
    run: v.number(),
    children: v.array(v.unknown()),
    unlisted: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  }),
);

/** How many nodes may still be taken. */
export interface NodeRoom {
  left: number;
}

/** Nodes, and how many more there are. */
export interface SomeNodes {
  readonly children: readonly TreeNode[];
  readonly unlisted: number;
}

/** What stands below each run, by its number. @throws v.ValiError where the answer is something else. */
export function readTrees(answer: unknown, room: NodeRoom): Map<number, SomeNodes> {
  const runs = v.parse(RunTreesSchema, answer);
  return new Map(
    runs.map(({ run, children, unlisted }) => {
      const some = someNodes(children, room);
      return [run, { children: some.children, unlisted: some.unlisted + unlisted }];
    }),
  );
}

/** As many of these nodes as there is room for. @throws v.ValiError for what is no node. */
export function someNodes(given: readonly unknown[], room: NodeRoom, level = 0): SomeNodes {
  const children: TreeNode[] = [];
  let left = 0;
  for (const one of given) {
    if (room.left <= 0 || level >= MOST_LEVELS) {
      left += sizeOf(one);
      continue;
    }
    room.left--;
    const node = v.parse(NodeSchema, one);
    const below = someNodes(node.children, room, level + 1);
    const unlisted = below.unlisted + (node.unlisted ?? 0);
    const { kind, name, ageMs, state, cancellingMs } = node;
    children.push({
      ...{ kind, name: clip(name, MOST_NAME), ageMs, state, children: below.children },
      ...(cancellingMs === undefined ? {} : { cancellingMs }),
      ...(unlisted === 0 ? {} : { unlisted }),
    });
  }
  return { children, unlisted: left };
}

/** How many nodes it is, those below it too. */
function sizeOf(top: unknown): number {
  const open: unknown[] = [top];
  let count = 0;
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    count++;
    if (typeof one !== "object" || one === null) continue;
    if ("children" in one && Array.isArray(one.children)) for (const child of one.children) open.push(child);
    if ("unlisted" in one && typeof one.unlisted === "number") count += one.unlisted;
  }
  return count;
}

/**
 * What lives in the runners now: the nursery of each run, as its runner tells it. Asked when somebody looks, all at
 * once and each runner for half a second at the most: one that does not answer is said to be blocked, and since when.
 */
import type { CancelScope } from "../../concurrency/index.ts";
import type { TreeNote } from "../../concurrency/tree.ts";
import { messageOf } from "../../concurrency/unknown-values.ts";
import type { HandlerAttempt } from "../../handlers/handler.ts";
import { MOST_NODES, type NodeRoom, readTrees } from "../../runner-protocol/tree-nodes.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";
import { NoAnswerError } from "../asks.ts";
import type { Run } from "../run.ts";
import type { Runner } from "../runner.ts";
import { BLOCKED_MS } from "../silence.ts";

/** How long a runner may take to answer, in ms. */
const ANSWER_MS = 500;

export type Trees = ReadonlyMap<HandlerAttempt, TreeNote>;

/** What is to be said of each attempt that a runner has. Never rejects for what a runner does. */
export async function treesOf(runners: readonly Runner[], scope: CancelScope): Promise<Trees> {
  const room: NodeRoom = { left: MOST_NODES };
  const busy = runners.filter((runner) => runner.runs().length > 0);
  const notes = await Promise.all(busy.map((runner) => notesOf(runner, room, scope)));
  return new Map(notes.flat());
}

async function notesOf(runner: Runner, room: NodeRoom, scope: CancelScope): Promise<[HandlerAttempt, TreeNote][]> {
  const { pid } = runner.process;
  const runs = runner.runs().map((run): [Run, number] => [run, run.number]);
  const noteAll = (about: Record<string, string | number>): [HandlerAttempt, TreeNote][] =>
    runs.map(([{ attempt }]) => [attempt, { about: { runner: pid, ...about } }]);
  try {
    const trees = readTrees(await runner.asks.ask(scope, { kind: "tree" }, ANSWER_MS), room);
    return runs.map(([{ attempt }, number]) => [attempt, { about: { runner: pid }, ...trees.get(number) }]);
  } catch (error) {
    if (!(error instanceof NoAnswerError))
      return noteAll({ tree: `cannot be read: ${messageOf(error).slice(0, 200)}` });
    const { silentMs } = runner.silence;
    if (silentMs < BLOCKED_MS) return noteAll({ tree: `not told: ${error.message.slice(0, 200)}` });
    return noteAll({ blocked_since: isoWithOffset(Date.now() - silentMs) });
  }
}

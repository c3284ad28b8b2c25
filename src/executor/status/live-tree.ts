/**
 * The live tree of an executor, down into its runners: each attempt with the id and type of its task, and below it what
 * its handler has started, wherever that runs.
 */
import { type CancelScope, openRoot, type TreeNode } from "../../concurrency/index.ts";
import { annotatedTree, type TreeNote } from "../../concurrency/tree.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";
import type { RunnersSource } from "./status.ts";

/** @param root - null: nothing runs yet. */
export async function liveTree(
  root: CancelScope | null,
  running: RunningAttempts,
  runners: RunnersSource | undefined,
): Promise<TreeNode> {
  const trees = await runners?.trees();
  const notes = new Map<CancelScope, TreeNote>();
  for (const attempt of [...running, ...running.abandonedTasks()]) {
    const { message, scope } = attempt;
    const { about, ...below } = trees?.get(attempt) ?? {};
    const task = message === null ? {} : { id: message.id, type: message.type, attempt: attempt.attempt };
    notes.set(scope, { ...below, about: { ...task, ...about } });
  }
  return annotatedTree(root ?? openRoot(), (scope) => notes.get(scope));
}

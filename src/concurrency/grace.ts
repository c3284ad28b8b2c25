// Cancelled nurseries whose grace has passed while something in them still runs.
// Promises that of all that are due together the innermost give up first, and that what waits for them gets a turn of
// the event loop to end before those further out give up: who only waited for a deaf child is not left behind with it.

import type { ScopeNode } from "./scope-node.ts";
import { afterTurn } from "./turn.ts";

interface Due {
  readonly depth: number;
  readonly giveUp: () => void;
}

let due: Due[] = [];

/** The grace of a nursery has passed. @param giveUp - called within some turns of the event loop. */
export function graceHasPassed(node: ScopeNode, giveUp: () => void): void {
  if (due.length === 0) afterTurn(innermostGiveUp);
  due.push({ depth: node.depth, giveUp });
}

function innermostGiveUp(): void {
  const deepest = due.reduce((depth, one) => Math.max(depth, one.depth), 0);
  const now = due.filter(({ depth }) => depth === deepest);
  due = due.filter(({ depth }) => depth < deepest);
  if (due.length > 0) afterTurn(innermostGiveUp);
  for (const { giveUp } of now) giveUp();
}

// Walking through a group of errors of any shape: one may hold another twice, or itself.
// Promises that every walk is a loop, and costs what the group has of errors. Only looks: error-groups.ts takes apart.

import { errorsIn } from "./unknown-values.ts";

/** An empty group, as Promise.any([]) throws it, is a leaf: there is nothing in it to take apart. */
export function isGroup(error: unknown): error is object {
  return errorsIn(error).length > 0;
}

/** What a walk has come by. A string that was thrown twice is two errors, an Error is itself wherever it is met. */
export class Met {
  readonly #objects = new Set<unknown>();

  again(node: unknown): boolean {
    if ((typeof node !== "object" && typeof node !== "function") || node === null) return false;
    // One look into the set: errors may come through thousands of nurseries, each of which walks all that is below.
    const before = this.#objects.size;
    return this.#objects.add(node).size === before;
  }
}

/** For a walk that looks into every group. */
export const none: ReadonlySet<unknown> = new Set();

/** Every node once, a group before what it holds; of a `closed` group nothing but itself. */
export function* walk(error: unknown, closed: ReadonlySet<unknown>): Generator<unknown> {
  const met = new Met();
  const waiting = [error];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (met.again(node)) continue;
    yield node;
    if (closed.has(node)) continue;
    const errors = errorsIn(node);
    for (let i = errors.length - 1; i >= 0; i--) waiting.push(errors[i]);
  }
}

/** The leaves of an error, itself if it is no group, and the groups that count as leaves. */
export function leavesOf(error: unknown): { readonly leaves: unknown[]; readonly barren: ReadonlySet<unknown> } {
  // Every nursery on the way of an error does this, so it is written for speed.
  const leaves: unknown[] = [];
  const met = new Met();
  const waiting = [error];
  let isTree = true;
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (met.again(node)) {
      isTree = false;
      continue;
    }
    const errors = errorsIn(node);
    if (errors.length === 0) leaves.push(node);
    for (let i = errors.length - 1; i >= 0; i--) waiting.push(errors[i]);
  }
  const barren = isTree ? none : barrenGroups(error);
  if (barren.size === 0) return { leaves, barren };
  return { leaves: [...walk(error, barren)].filter((node) => !isGroup(node) || barren.has(node)), barren };
}

/**
 * Groups that hold nothing but one another, round and round. They lead to no leaf, and as nothing else would vanish.
 */
function barrenGroups(error: unknown): ReadonlySet<unknown> {
  const leading = groupsLeadingTo(() => true, error, none);
  const groups = [...walk(error, none)].filter((node) => isGroup(node) && !leading.has(node));
  const holders = new Map(groups.map((group) => [group, 0]));
  const count = (group: unknown, change: number) => {
    const changed = (holders.get(group) ?? 0) + change;
    holders.set(group, changed);
    return changed;
  };
  for (const group of groups) for (const inner of errorsIn(group)) count(inner, 1);
  // What none of them holds stands around the circle and not in it: it is a group like any other.
  const around = groups.filter((group) => holders.get(group) === 0);
  for (let group = around.pop(); group !== undefined; group = around.pop()) {
    holders.delete(group);
    for (const inner of errorsIn(group)) if (count(inner, -1) === 0) around.push(inner);
  }
  return new Set(holders.keys());
}

/** The groups in which one of the leaves that are meant stands, however deep. */
export function groupsLeadingTo(
  isMeant: (leaf: unknown) => boolean,
  error: unknown,
  barren: ReadonlySet<unknown>,
): ReadonlySet<unknown> {
  const holders = new Map<unknown, unknown[]>();
  const found: unknown[] = [];
  for (const node of walk(error, barren)) {
    const errors = barren.has(node) ? [] : errorsIn(node);
    if (errors.length === 0 && isMeant(node)) found.push(node);
    for (const inner of errors) {
      const known = holders.get(inner);
      if (known === undefined) holders.set(inner, [node]);
      else known.push(node);
    }
  }
  const leading = new Set<unknown>();
  while (found.length > 0) {
    for (const holder of holders.get(found.pop()) ?? []) {
      if (leading.has(holder)) continue;
      leading.add(holder);
      found.push(holder);
    }
  }
  return leading;
}

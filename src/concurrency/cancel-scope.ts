// The scope as users hold it, and the root every tree begins with.
// A thin face over ScopeNode: it says what a scope promises, the node does it. Blocks that open scopes are in
// with-scope.ts and nursery.ts.

import type { Clock } from "./clock.ts";
import { systemClock } from "./clock.ts";
import { checkDuration } from "./durations.ts";
import { ScopeNode } from "./scope-node.ts";
import { messageOf, textOf } from "./unknown-values.ts";

let create: (node: ScopeNode) => CancelScope;
let node: (scope: CancelScope) => ScopeNode;

const key = Symbol("only the core makes a CancelScope");

/**
 * A part of the program that can be cancelled as a whole: by a call, by a deadline, or from above. Cancelling is
 * level-triggered and final: from then on every signal-aware wait below fails, until the scope is left.
 *
 * Scopes are opened by {@link openRoot}, {@link withScope}, {@link moveOnAfter}, {@link failAfter} and
 * {@link withNursery}, and are handed on as a parameter.
 *
 * @example
 * ```ts
 * import { openRoot, sleepForever, withScope } from "taskexe/concurrency";
 *
 * const root = openRoot();
 * const outcome = await withScope(root, { name: "search" }, async (scope) => {
 *   queueMicrotask(() => scope.cancel("found elsewhere"));
 *   await sleepForever(scope.signal);
 * });
 * console.log(outcome.cancelled); // true
 * console.log(root.cancelCalled); // false
 * ```
 */
export class CancelScope {
  readonly #node: ScopeNode;

  private constructor(permission: symbol, node: ScopeNode) {
    if (permission !== key) throw new TypeError("A CancelScope cannot be constructed: use openRoot or withScope");
    this.#node = node;
  }

  static {
    create = (node) => new CancelScope(key, node);
    node = (scope) => scope.#node;
  }

  /** Aborted once a cancellation is visible here; its `reason` is the Cancelled. For fetch, timers, and every wait. */
  get signal(): AbortSignal {
    return this.#node.signal;
  }

  /**
   * When the scope is cancelled by itself: in ms on the clock's scale, `Infinity` for never. Can be moved at any time;
   * a time in the past cancels at once. A cancel that has happened is not undone by moving it.
   *
   * @throws RangeError when set to NaN.
   */
  get deadline(): number {
    return this.#node.deadline;
  }

  set deadline(at: number) {
    this.#node.deadline = at;
  }

  /**
   * Moves the deadline to so many ms from now, on the scope's own clock.
   *
   * @throws RangeError for a duration that is negative or NaN.
   */
  expireIn(ms: number): void {
    checkDuration(ms, "expireIn");
    this.#node.deadline = this.#node.clock.now() + ms;
  }

  /** Whether a cancellation from above is kept out. Only ever goes from true to false. */
  get shield(): boolean {
    return this.#node.shielded;
  }

  /** Takes the shield away; a cancellation that waited above comes in at once. */
  unshield(): void {
    this.#node.unshield();
  }

  /** Cancels the scope and everything unshielded below it. The first cancel and its reason win; nothing undoes it. */
  cancel(reason?: string): void {
    this.#node.cancel({ source: "explicit", reason: reason === undefined ? undefined : textOf(reason) });
  }

  /** Whether this very scope was cancelled, by a call or its deadline; not when the cancellation came from above. */
  get cancelCalled(): boolean {
    return this.#node.cancelCalled;
  }

  /** Whether the block of this scope was cut short by its own cancel, and the scope absorbed that. */
  get cancelledCaught(): boolean {
    return this.#node.caught;
  }

  /**
   * The earliest deadline of the scope itself and the scopes around it, up to the first shield; in ms on the clock's
   * scale. `-Infinity` once a cancellation is visible here.
   */
  get effectiveDeadline(): number {
    return this.#node.effectiveDeadline;
  }
}

/** The mechanism behind a scope. @throws TypeError when what was passed is no CancelScope. */
export function nodeOf(scope: CancelScope): ScopeNode {
  if (scope instanceof CancelScope) return node(scope);
  throw new TypeError("Expected a CancelScope as parent: pass the scope you are in, or openRoot()");
}

/** The scope that users hold of a node; always the same one. */
export function scopeOf(node: ScopeNode): CancelScope {
  if (node.face instanceof CancelScope) return node.face;
  const scope = create(node);
  node.face = scope;
  return scope;
}

/**
 * Opens the top of a tree of scopes. A program usually has one, for as long as it runs.
 *
 * @param opts.signal - cancels the whole tree when it aborts. The root listens to it until it is itself cancelled.
 * @param opts.clock - the time of the whole tree; default {@link systemClock}.
 * @example
 * ```ts
 * import { openRoot } from "taskexe/concurrency";
 *
 * const terminate = new AbortController();
 * const root = openRoot({ signal: terminate.signal });
 * terminate.abort("SIGTERM");
 * console.log(root.cancelCalled); // true
 * console.log(root.signal.reason.source); // "signal"
 * console.log(root.signal.reason.reason); // "SIGTERM"
 * ```
 */
export function openRoot(opts: { signal?: AbortSignal | undefined; clock?: Clock | undefined } = {}): CancelScope {
  const root = new ScopeNode(undefined, opts.clock ?? systemClock, false, undefined);
  if (opts.signal !== undefined) follow(root, opts.signal);
  return scopeOf(root);
}

function follow(root: ScopeNode, signal: AbortSignal): void {
  const cancel = () => {
    root.cancel({ source: "signal", reason: messageOf(signal.reason), cause: signal.reason });
  };
  if (signal.aborted) {
    cancel();
    return;
  }
  signal.addEventListener("abort", cancel, { once: true });
  root.owner = { onCancelled: () => signal.removeEventListener("abort", cancel) };
}

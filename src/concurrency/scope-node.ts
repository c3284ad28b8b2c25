// The tree of scopes, behind the CancelScope that users hold: who is below whom, what is cancelled, what is due.
// Promises that one cancel reaches everything unshielded below it in one loop, marks all of it before any listener
// runs, and that a closed scope leaves nothing in its parent or its clock. Absorbing is absorb.ts, waiting nursery.ts.

import { type CancelCause, type Cancelled, createCancelled } from "./cancelled.ts";
import { type Clock, systemClock } from "./clock.ts";
import { ClosedResourceError } from "./errors.ts";

/** Whoever opened a scope and wants to hear of it: a nursery, a task, or a block that waits to be left. */
export interface ScopeOwner {
  /** A cancellation has become visible in the scope. @param at - when, on the clock's scale, in ms. */
  onCancelled?(at: number): void;
  /** The last open scope below has closed. Must not throw. */
  onEmpty?(): void;
  /** What the listing of the tree shows; without it the scope itself is not shown. */
  readonly entry?: TreeEntry | undefined;
}

/** A nursery, a task or a scope with a name, as the listing of the tree sees it. */
export interface TreeEntry {
  readonly kind: "nursery" | "task" | "scope";
  readonly name: string;
  /** On the clock's scale, in ms. */
  readonly startedAt: number;
  readonly abandoned: boolean;
}

/** Scopes below which nothing is open any more, and whose owners have not been told. */
const emptied: ScopeNode[] = [];
let isTelling = false;

/** A loop: an owner that is told closes its own scope, which may be the last below the next, and so on outwards. */
function tellEmptied(): void {
  isTelling = true;
  try {
    for (let node = emptied.pop(); node !== undefined; node = emptied.pop()) {
      if (node.open === 0 && !node.closed) node.owner?.onEmpty?.();
    }
  } finally {
    isTelling = false;
  }
}

/** A clock other than the system's, by the signals of the scopes that live on it: waits are given a signal alone. */
const clocks = new WeakMap<AbortSignal, Clock>();

/** The clock of the tree a signal belongs to; the system's for a signal of anybody else. */
export function clockOf(signal: AbortSignal): Clock {
  return clocks.get(signal) ?? systemClock;
}

export class ScopeNode {
  parent: ScopeNode | undefined;
  readonly clock: Clock;
  owner: ScopeOwner | undefined;
  /** The CancelScope, once somebody asked for it: scopeOf makes it, and alone looks at it. */
  face: object | undefined;
  shielded: boolean;
  /** The cancel of this very scope. */
  own: Cancelled | undefined;
  /** The cancel its signal shows: its own or one from above, whichever came first. */
  visible: Cancelled | undefined;
  caught = false;
  closed = false;
  /** How many scopes below are not closed. Abandoned ones do not count. */
  open = 0;

  private firstChild: ScopeNode | undefined;
  private lastChild: ScopeNode | undefined;
  private previous: ScopeNode | undefined;
  private next: ScopeNode | undefined;
  private counted = false;
  /** Where it stood until its nursery left without it. */
  private leftBehindBy: ScopeNode | undefined;

  private dueAt = Infinity;
  private stopTimer: (() => void) | undefined;
  private controller: AbortController | undefined;

  constructor(parent: ScopeNode | undefined, clock: Clock, shielded: boolean, owner: ScopeOwner | undefined) {
    this.parent = parent;
    this.clock = clock;
    this.shielded = shielded;
    this.owner = owner;
  }

  /** @throws ClosedResourceError when the parent's block has ended: nothing may run below it any more. */
  static below(parent: ScopeNode, shielded: boolean, owner: ScopeOwner | undefined): ScopeNode {
    if (parent.closed) {
      throw new ClosedResourceError("The block of this scope has ended: nothing can be opened in it any more");
    }
    const node = new ScopeNode(parent, parent.clock, shielded, owner);
    parent.append(node);
    node.counted = true;
    parent.open++;
    if (!shielded) node.visible = parent.visible;
    return node;
  }

  /** The cancellation that comes from above, unless a shield keeps it out. */
  get outer(): Cancelled | undefined {
    return this.shielded ? undefined : this.parent?.visible;
  }

  get root(): ScopeNode {
    let node: ScopeNode = this;
    while (node.parent !== undefined) node = node.parent;
    return node;
  }

  /** How many scopes stand around it. */
  get depth(): number {
    let depth = 0;
    for (let node = this.parent; node !== undefined; node = node.parent) depth++;
    return depth;
  }

  isBelow(ancestor: object): boolean {
    for (let node: ScopeNode | undefined = this; node !== undefined; node = node.parent) {
      if (node === ancestor) return true;
    }
    return false;
  }

  /** Whether it stands below `ancestor`, or did until it, or what it stands in, was abandoned. */
  beganBelow(ancestor: ScopeNode): boolean {
    for (let node: ScopeNode | undefined = this; node !== undefined; node = node.leftBehindBy ?? node.parent) {
      if (node === ancestor) return true;
    }
    return false;
  }

  // ---- its signal

  /** Made on first use: most scopes are never asked. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.clock !== systemClock) clocks.set(this.controller.signal, this.clock);
      if (this.visible !== undefined) this.controller.abort(this.visible);
    }
    return this.controller.signal;
  }

  // ---- cancelling

  /** Cancels this scope; the first cancel wins. */
  cancel(how: CancelCause): void {
    if (this.own !== undefined) return;
    const now = this.clock.now();
    this.own = createCancelled(this, now, { ...how, task: how.task ?? this.enclosingTask() });
    this.show(this.own, now);
  }

  /** Whether this very scope was cancelled; by its deadline, too, if that passed after a cancel from above. */
  get cancelCalled(): boolean {
    if (this.visible !== undefined && !this.closed && this.dueAt <= this.clock.now()) this.expire();
    return this.own !== undefined;
  }

  /** Cancels each block below, and not the scope itself: it has ended already, and how is not to be touched. */
  cancelInner(how: CancelCause): void {
    for (const child of [...this.children()]) child.cancel(how);
  }

  unshield(): void {
    if (!this.shielded) return;
    this.shielded = false;
    this.showOuter();
  }

  /** After what is around it has changed: shows a cancellation that comes from there now. */
  private showOuter(): void {
    if (this.outer !== undefined) this.show(this.outer, this.clock.now());
  }

  private enclosingTask(): string | undefined {
    for (let node: ScopeNode | undefined = this; node !== undefined; node = node.parent) {
      const entry = node.owner?.entry;
      if (entry?.kind === "task") return entry.name;
    }
    return undefined;
  }

  /**
   * Makes a cancellation visible here and below. All scopes are marked before anyone is told: a listener runs in the
   * middle of the abort, and must find the tree as it will stay.
   *
   * @param at - now: one time for all, so that what is due after the cancel is due at the same time for all.
   */
  private show(cancelled: Cancelled, at: number): void {
    if (this.visible !== undefined) return;
    this.visible = cancelled;
    const reached: ScopeNode[] = [this];
    for (let i = 0; i < reached.length; i++) {
      for (let child = reached[i]?.firstChild; child !== undefined; child = child.next) {
        if (child.shielded || child.visible !== undefined) continue;
        child.visible = cancelled;
        reached.push(child);
      }
    }
    for (const node of reached) {
      // Its deadline can bring nothing more, and nobody should wait for it.
      node.stopTimer?.();
      node.stopTimer = undefined;
      node.owner?.onCancelled?.(at);
      node.controller?.abort(cancelled);
    }
  }

  // ---- its deadline

  get deadline(): number {
    return this.dueAt;
  }

  /** @throws RangeError on NaN. */
  set deadline(at: number) {
    if (typeof at !== "number" || Number.isNaN(at)) {
      throw new RangeError(`A deadline is a time in ms on the clock's scale, or Infinity; got ${String(at)}`);
    }
    this.dueAt = at;
    this.stopTimer?.();
    this.stopTimer = undefined;
    if (at === Infinity || this.closed) return;
    if (at <= this.clock.now()) this.expire();
    // A block waits for its deadline, and so does the process; a root is never left, so nothing waits for its own.
    else if (this.visible === undefined) {
      this.stopTimer = this.clock.schedule(at, () => this.expire(), this.parent !== undefined);
    }
  }

  private expire(): void {
    this.cancel({ source: "deadline", reason: "the deadline has passed" });
  }

  /** -Infinity where a cancellation is visible: there is no time left at all. */
  get effectiveDeadline(): number {
    if (this.visible !== undefined) return -Infinity;
    let earliest = this.dueAt;
    for (let node: ScopeNode = this; !node.shielded && node.parent !== undefined; node = node.parent) {
      earliest = Math.min(earliest, node.parent.dueAt);
    }
    return earliest;
  }

  // ---- its place in the tree

  /** The scopes directly below that are still there. */
  *children(): Generator<ScopeNode> {
    for (let child = this.firstChild; child !== undefined; child = child.next) yield child;
  }

  /** Leaves the tree. Whoever calls it has waited until nothing below is open. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.stopTimer?.();
    this.stopTimer = undefined;
    const parent = this.parent;
    this.unlink();
    if (this.counted) parent?.childClosed();
    this.counted = false;
  }

  /** Goes below another scope, with everything below it, and is cancelled if that one is. */
  moveTo(parent: ScopeNode): void {
    const from = this.parent;
    this.unlink();
    parent.append(this);
    if (this.counted) {
      parent.open++;
      from?.childClosed();
    }
    this.showOuter();
  }

  /** Goes below the root, where it can be seen, where nobody waits for it, and whose cancel reaches it. */
  abandon(): void {
    const from = this.parent;
    const root = this.root;
    this.unlink();
    root.append(this);
    this.leftBehindBy = from;
    if (this.counted) from?.childClosed();
    this.counted = false;
    // Until now a shield around its caller may have kept that out.
    this.showOuter();
  }

  private childClosed(): void {
    this.open--;
    if (this.open > 0 || this.owner?.onEmpty === undefined) return;
    emptied.push(this);
    if (!isTelling) tellEmptied();
  }

  private append(child: ScopeNode): void {
    child.parent = this;
    child.previous = this.lastChild;
    child.next = undefined;
    if (this.lastChild === undefined) this.firstChild = child;
    else this.lastChild.next = child;
    this.lastChild = child;
  }

  /** `parent` stays: a closed scope still knows which cancellations came from above. */
  private unlink(): void {
    const parent = this.parent;
    if (parent === undefined) return;
    if (this.previous === undefined) parent.firstChild = this.next;
    else this.previous.next = this.next;
    if (this.next === undefined) parent.lastChild = this.previous;
    else this.next.previous = this.previous;
    this.previous = undefined;
    this.next = undefined;
  }
}

/**
 * What an attempt leaves behind in a runner that runs one at a time: processes that were not there before. After each
 * attempt the list of the runner's children is read, which costs a microsecond or two; only where it has changed it is
 * looked at further. Since a runner is given what its own children leave (PR_SET_CHILD_SUBREAPER), nothing gets away
 * by a double fork. Children of its other threads are looked for at times.
 */
import { ChildList, childrenOf, descendantsOf, factsOf, signalTo } from "./proc.ts";

/** So often the children of all threads are looked at, in ms. */
const WHOLE_LOOK_MS = 50;
/** A runner that does not bury so many of its dead is of no use any more. */
const MOST_UNBURIED = 100;

export class LeftOvers {
  readonly #pid: number;
  #list: ChildList | null = null;
  /** What the runner had before any attempt. */
  #own = new Set<number>();
  /** The list of its children when that was all, but for the dead. */
  #ownText = "";
  #isIdle = false;
  #lookedAt = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** What is there now is the runner's own. Call it once it has said that it is ready. */
  begin(): void {
    this.#list ??= new ChildList(this.#pid);
    this.#ownText = this.#list.text();
    this.#own = new Set(childrenOf(this.#pid));
    this.#isIdle = true;
  }

  /** An attempt begins. */
  attemptBegins(): void {
    this.#isIdle = false;
  }

  /**
   * An attempt has ended: whether it may have left anything. True: call `remove` before the next one begins.
   *
   * @param now - in ms, as of performance.now().
   */
  attemptEnded(now = performance.now()): boolean {
    this.#isIdle = true;
    if (this.#list === null) return false;
    if (this.#list.text() !== this.#ownText) return true;
    if (now - this.#lookedAt < WHOLE_LOOK_MS) return false;
    this.#lookedAt = now;
    return childrenOf(this.#pid).some((pid) => !this.#own.has(pid) && isAlive(pid));
  }

  /**
   * Kills what is there and is not the runner's own, with all below it. What it was given by that comes next: call it
   * until it is done, with a little time between.
   *
   * @returns `done`: nothing is left. `again`: something was killed. `replace`: the runner does not bury its dead.
   */
  remove(): "done" | "again" | "replace" {
    // Read first: what comes meanwhile makes it another text, and is looked at next time.
    const text = this.#list?.text() ?? "";
    const there = new Set(childrenOf(this.#pid));
    for (const pid of this.#own) if (!there.has(pid)) this.#own.delete(pid);
    const surplus = [...there].filter((pid) => !this.#own.has(pid));
    const alive = surplus.filter(isAlive);
    for (const pid of alive) {
      // First that which is below it: its own end would give it away.
      for (const each of descendantsOf(pid)) signalTo(each, "SIGKILL");
      signalTo(pid, "SIGKILL");
    }
    // One that died while it was looked at may have left others meanwhile.
    if (alive.length > 0 || childrenOf(this.#pid).some((pid) => !there.has(pid))) return "again";
    // The dead that the runner has not buried yet do no harm, as long as they are few.
    this.#ownText = text;
    return surplus.length > MOST_UNBURIED ? "replace" : "done";
  }

  /** Between attempts, at any time. */
  lookWhileIdle(): void {
    if (this.#isIdle && this.#list !== null && this.attemptEnded()) this.remove();
  }

  close(): void {
    this.#list?.close();
    this.#list = null;
  }
}

function isAlive(pid: number): boolean {
  const state = factsOf(pid)?.state;
  return state !== undefined && state !== "Z" && state !== "X";
}

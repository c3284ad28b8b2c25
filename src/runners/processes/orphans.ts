/**
 * What a dead process has left behind comes to this one (PR_SET_CHILD_SUBREAPER), whatever it did to get away: a group
 * or session of its own, two forks, an empty environment. It is killed as soon as whatever started it has ended, and
 * reaped. Runners are given what their own children leave (they ask for it, too), so what comes to the executor is of
 * runners that are gone, or of commands that did not ask.
 */

import { type LinuxCalls, runtime } from "../../runtime/index.ts";
import { isWaitedFor } from "../../runtime/process/children.ts";
import { ChildList, factsOf, hasInEnvironment, type ProcessFacts, signalTo } from "./proc.ts";

/** A runtime waits for its children at once; so long after their death, in ms, nobody does. */
const UNBURIED_MS = 5_000;

/** So often at once, as long as there are dead. */
const MOST_LOOKS = 20;

const NONE: ReadonlySet<number> = new Set();

/** A process that this executor started. */
export interface Starter {
  readonly pid: number;
  /** What it, and all that inherit its environment, have in there. */
  readonly mark: string;
  /** It is given what its own children leave. */
  readonly adopts: boolean;
}

interface Orphan {
  /** Another part of this process started it. */
  readonly isForeign: boolean;
  /** Who may have started it and lives: once none does, it is killed. */
  readonly starters: Set<Starter>;
}

export class Orphans {
  readonly #living: ReadonlySet<Starter>;
  readonly #mark: string;
  readonly #keepsForeign: boolean;
  readonly #calls = runtime.linuxCalls();
  readonly #children = new ChildList(process.pid);
  readonly #known = new Map<number, Orphan>();
  #reaped = 0;
  readonly #session = factsOf(process.pid)?.session ?? 0;
  /** Dead ones that another part of this process may wait for, and since when. */
  readonly #unburied = new Map<number, number>();

  /**
   * @param living - those that have been started and have not ended.
   * @param mark - what all of them have in their environment.
   * @param keepsForeign - code that is not ours runs in this process, and may start children of its own.
   */
  constructor(living: ReadonlySet<Starter>, mark: string, keepsForeign: boolean) {
    this.#living = living;
    this.#mark = mark;
    this.#keepsForeign = keepsForeign;
    this.#calls?.adoptOrphans();
  }

  /**
   * Kills and reaps those whose starters have ended.
   *
   * @param ofEnded - groups of which it is known that whoever started them has ended.
   * @returns how many of those are still there.
   */
  look(ofEnded: ReadonlySet<number> = NONE): number {
    if (this.#calls === null) return 0;
    for (let left = 0, times = 0; ; times++) {
      const reaped = this.#reaped;
      left = this.#lookOnce(this.#calls, ofEnded);
      // One that died while it was looked at may have left others meanwhile.
      if (reaped === this.#reaped || times === MOST_LOOKS) return left;
    }
  }

  close(): void {
    this.#children.close();
  }

  #lookOnce(calls: LinuxCalls, ofEnded: ReadonlySet<number>): number {
    const there = new Set<number>();
    let left = 0;
    for (const pid of this.#children.pids()) {
      if (isWaitedFor(pid)) continue;
      const orphan = this.#known.get(pid) ?? this.#meet(pid, ofEnded);
      if (orphan === null) continue;
      there.add(pid);
      if (orphan.isForeign) {
        this.#buryForeign(pid, calls);
        continue;
      }
      if (calls.reap(pid)) {
        this.#reaped++;
        this.#known.delete(pid);
        continue;
      }
      for (const starter of orphan.starters) if (!this.#living.has(starter)) orphan.starters.delete(starter);
      if (orphan.starters.size > 0) continue;
      left++;
      signalTo(pid, "SIGKILL");
    }
    for (const pid of this.#known.keys()) if (!there.has(pid)) this.#known.delete(pid);
    for (const pid of this.#unburied.keys()) if (!there.has(pid)) this.#unburied.delete(pid);
    return left;
  }

  #meet(pid: number, ofEnded: ReadonlySet<number>): Orphan | null {
    const facts = factsOf(pid);
    if (facts === null) return null;
    const isForeign = this.#isForeign(facts);
    const orphan = { isForeign, starters: new Set(ofEnded.has(facts.group) ? [] : this.#startersOf(facts)) };
    this.#known.set(pid, orphan);
    return orphan;
  }

  /** Whoever started it waits for it; where nobody does, it is reaped after a while. */
  #buryForeign(pid: number, calls: LinuxCalls): void {
    if (factsOf(pid)?.state !== "Z") return;
    const since = this.#unburied.get(pid);
    if (since === undefined) this.#unburied.set(pid, performance.now());
    else if (performance.now() - since > UNBURIED_MS) calls.reap(pid);
  }

  /** Nobody: they have ended. */
  #startersOf({ pid, group, session }: ProcessFacts): Starter[] {
    const candidates = [...this.#living].filter(({ adopts }) => !adopts);
    const sure = candidates.find((each) => each.pid === group || each.pid === session);
    if (sure !== undefined) return [sure];
    if (hasInEnvironment(pid, this.#mark)) return candidates.filter(({ mark }) => hasInEnvironment(pid, mark));
    return candidates;
  }

  /**
   * Started by this process itself, and by no part that we know of: never in a session of a runner's. Where code that
   * is not ours runs here, it may start children with a session of their own: those have our environment.
   */
  #isForeign({ pid, session }: ProcessFacts): boolean {
    if (session === this.#session) return true;
    if (!this.#keepsForeign || session !== pid || hasInEnvironment(pid, this.#mark)) return false;
    return hasInEnvironment(pid, `PATH=${process.env.PATH}\0`);
  }
}

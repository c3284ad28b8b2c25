/**
 * How a lock is taken and kept, for clients and executors alike. Those of one process that want the same lock wait in a
 * line, so that the broker is asked by one of them at a time; processes ask again after a pause that chance decides, so
 * that none has an edge. A lock is renewed at a third of its time, and counts as lost here before its time can be over
 * there: the time is counted from before the question was sent, on the monotonic clock.
 */
import { randomUUID } from "node:crypto";
import { Pauses } from "../../broker/availability.ts";
import { BrokerUnavailableError } from "../../broker/contract/connection.ts";
import type { Locks, LockTry } from "../../broker/contract/locks.ts";
import {
  abortable,
  type CancelScope,
  CapacityLimiter,
  moveOnAfter,
  openRoot,
  type Permit,
  sleep,
} from "../../concurrency/index.ts";
import type { LockTerms, Taken } from "../../task/lock/lock.ts";

/** Between two tries while another process holds it, in ms: half of it at the least. */
const TRY_MS = 100;
/** How long giving one back may take, in ms: after that its time to live ends it. */
const FREE_MS = 5_000;

interface Line {
  readonly turn: CapacityLimiter;
  /** How many hold it or wait. */
  users: number;
}

export class LockTaker {
  readonly #locks: Locks;
  readonly #prefix: string;
  readonly #lines = new Map<string, Line>();

  /** @param who - stands in the value of the lock, for people who wonder who has it. */
  constructor(locks: Locks, who: string) {
    this.#locks = locks;
    this.#prefix = who;
  }

  /**
   * @returns null: another one held it for as long as was to be waited.
   * @throws (rejects) the signal's reason; BrokerUnavailableError where the broker is away for as long as that.
   */
  async take({ name, ttlMs, waitMs }: LockTerms, signal: AbortSignal): Promise<Holding | null> {
    const line = this.#lines.get(name) ?? { turn: new CapacityLimiter(1), users: 0 };
    this.#lines.set(name, line);
    line.users++;
    const leave = (): void => {
      line.users--;
      if (line.users === 0) this.#lines.delete(name);
    };
    let holding: Holding | null = null;
    try {
      const until = performance.now() + waitMs;
      const hasWaited = line.turn.availableTokens <= 0;
      const turn = hasWaited
        ? await within(waitMs, signal, (waiting) => line.turn.acquire(waiting))
        : line.turn.acquireNowait();
      if (turn === null) return null;
      try {
        // Others have been waiting elsewhere for just as long.
        if (hasWaited) await sleep(Math.min(pause(), Math.max(0, until - performance.now())), signal);
        holding = await this.#try({ name, ttlMs, until }, signal, () => {
          turn.release();
          leave();
        });
      } finally {
        if (holding === null) turn.release();
      }
      return holding;
    } finally {
      if (holding === null) leave();
    }
  }

  async #try(
    { name, ttlMs, until }: { readonly name: string; readonly ttlMs: number; readonly until: number },
    signal: AbortSignal,
    over: () => void,
  ): Promise<Holding | null> {
    const owner = `${this.#prefix}:${randomUUID()}`;
    const pauses = new Pauses();
    // What was asked may have happened, though nobody has heard of it.
    let isDoubtful = false;
    try {
      for (;;) {
        const askedAt = performance.now();
        isDoubtful = true;
        let answer: LockTry;
        try {
          answer = await abortable(this.#locks.take(name, owner, ttlMs), signal);
          pauses.answered();
        } catch (error) {
          if (!(error instanceof BrokerUnavailableError) || performance.now() >= until) throw error;
          await pauses.wait(signal);
          continue;
        }
        isDoubtful = answer.taken;
        if (answer.taken && performance.now() < askedAt + ttlMs) {
          isDoubtful = false;
          return new Holding(this.#locks, { name, owner, fence: answer.fence, ttlMs, askedAt }, over);
        }
        const leftMs = until - performance.now();
        if (!answer.taken && leftMs <= 0) return null;
        if (!answer.taken) await sleep(Math.min(pause(), answer.leftMs ?? TRY_MS, leftMs), signal);
      }
    } finally {
      if (isDoubtful) await giveBack(this.#locks, name, owner);
    }
  }
}

interface HoldingOf {
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
  readonly ttlMs: number;
  readonly askedAt: number;
}

/** A lock that is held here. `keep` must run beside whatever it protects. */
export class Holding implements Taken {
  readonly #locks: Locks;
  readonly #of: HoldingOf;
  readonly #over: () => void;
  /** When it counts as lost, on the clock of performance.now(). */
  #until: number;
  #isLost = false;
  #isFreed = false;
  readonly #listeners = new Set<() => void>();

  constructor(locks: Locks, of: HoldingOf, over: () => void) {
    this.#locks = locks;
    this.#of = of;
    this.#over = over;
    this.#until = of.askedAt + of.ttlMs;
  }

  get name(): string {
    return this.#of.name;
  }

  get fence(): number {
    return this.#of.fence;
  }

  get isHeld(): boolean {
    return !this.#isLost && !this.#isFreed && performance.now() < this.#until;
  }

  onLost(listener: () => void): () => void {
    if (this.#isLost) listener();
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Renews it until the scope is cancelled, or until it is lost. */
  async keep(scope: CancelScope): Promise<void> {
    const { name, owner, ttlMs } = this.#of;
    let pauseMs = ttlMs / 3;
    for (;;) {
      await sleep(Math.min(pauseMs, Math.max(0, this.#until - performance.now())), scope.signal);
      const leftMs = this.#until - performance.now();
      if (leftMs <= 0) break;
      const askedAt = performance.now();
      try {
        const renewed = await moveOnAfter(scope, leftMs, ({ signal }) =>
          abortable(this.#locks.renew(name, owner, ttlMs), signal),
        );
        if (renewed.cancelled || !renewed.value) break;
        this.#until = askedAt + ttlMs;
        pauseMs = ttlMs / 3;
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
        pauseMs = Math.min(ttlMs / 10, TRY_MS);
      }
    }
    this.lose();
  }

  /** Gives it back. What the broker does not hear of ends by its time to live. */
  async free(): Promise<void> {
    if (this.#isFreed) return;
    this.#isFreed = true;
    this.#listeners.clear();
    try {
      if (!this.#isLost) await giveBack(this.#locks, this.#of.name, this.#of.owner);
    } finally {
      this.#over();
    }
  }

  /** It is left to its time to live: what it protects may go on. */
  forsake(): void {
    if (this.#isFreed) return;
    this.#isFreed = true;
    this.#listeners.clear();
    this.#over();
  }

  /** It counts as lost: whoever keeps it cannot. */
  lose(): void {
    if (this.#isLost || this.#isFreed) return;
    this.#isLost = true;
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }
}

/** However it is with the scope of whoever held it. */
async function giveBack(locks: Locks, name: string, owner: string): Promise<void> {
  try {
    await moveOnAfter(openRoot(), FREE_MS, ({ signal }) => abortable(locks.free(name, owner), signal));
  } catch (error) {
    // Its time to live ends it.
    if (!(error instanceof BrokerUnavailableError)) throw error;
  }
}

/** Half of it at the least. */
function pause(): number {
  return TRY_MS * (0.5 + Math.random() / 2);
}

/** Null: it took longer. */
async function within(
  ms: number,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<Permit>,
): Promise<Permit | null> {
  const root = openRoot({ signal });
  try {
    const outcome = await moveOnAfter(root, ms, (scope) => wait(scope.signal));
    return outcome.cancelled ? null : outcome.value;
  } finally {
    // Takes the listener off the signal.
    root.cancel("it has its turn, or not");
  }
}

/**
 * The locks that an executor keeps for its attempts: it renews each one whatever the attempt's code does, and gives it
 * back with the attempt at the latest. Where code runs on that was given up, its locks are left to their time to live.
 */
import { getLogger } from "@logtape/logtape";
import type { Locks } from "../../broker/contract/locks.ts";
import { type CancelScope, Latch, type Nursery, openRoot, withNursery, withScope } from "../../concurrency/index.ts";
import { messageOf } from "../../concurrency/unknown-values.ts";
import { type KeptLock, LockRefusedError, type LockTerms, MOST_LOCKS_OF_ATTEMPT } from "../../task/lock/lock.ts";
import { type Holding, LockTaker } from "./locks.ts";

const logger = getLogger(["taskexe", "executor"]);

/** So many locks may be held or waited for in one executor. */
const MOST_LOCKS = 10_000;

/** For whom locks are held: an attempt. */
export interface LockHolder {
  /** Why it may take none any more; null: it may. */
  readonly lockRefusal: string | null;
}

/** One lock that is waited for or held. */
interface Entry {
  readonly name: string;
  /** Its cancel ends the wait. */
  readonly waiting: CancelScope;
  holding: Holding | null;
  /** Its cancel ends the renewals. */
  renewing: CancelScope | null;
  isOver: boolean;
}

export class KeptLocks {
  readonly #taker: LockTaker;
  readonly #entries = new Map<LockHolder, Set<Entry>>();
  #size = 0;
  #nursery: Nursery | null = null;

  /** @param who - stands in the values of the locks. */
  constructor(locks: Locks, who: string) {
    this.#taker = new LockTaker(locks, who);
  }

  /** Renews them until the scope is cancelled; what is held then is given back. */
  async run(parent: CancelScope): Promise<void> {
    try {
      await withNursery(
        parent,
        async (nursery) => {
          this.#nursery = nursery;
          await new Latch().wait(nursery.scope.signal);
        },
        { name: "locks" },
      );
    } finally {
      this.#nursery = null;
      const left = [...this.#entries.keys()].flatMap((holder) => this.#takeOut(holder));
      await Promise.all(left.map((holding) => free(holding)));
    }
  }

  /**
   * Takes a lock, and keeps it until it is given back or its holder has ended.
   *
   * @param signal - ends the wait.
   * @returns null: another one held it for as long as was to be waited.
   * @throws (rejects) LockRefusedError; the signal's reason; BrokerUnavailableError.
   */
  async take(holder: LockHolder, terms: LockTerms, signal: AbortSignal): Promise<KeptLock | null> {
    const nursery = this.#refuse(holder);
    const { name } = terms;
    const entry: Entry = { name, waiting: openRoot({ signal }), holding: null, renewing: null, isOver: false };
    this.#add(holder, entry);
    try {
      const holding = await this.#taker.take(terms, entry.waiting.signal);
      if (holding === null) return null;
      if (entry.isOver) {
        await holding.free();
        throw overError(holder);
      }
      entry.holding = holding;
      nursery.startSoon((task) => keep(entry, holding, task.scope), { name: `lock ${name}` });
      return {
        ...{ name, fence: holding.fence },
        get isHeld() {
          return holding.isHeld;
        },
        onLost: (listener) => holding.onLost(listener),
        free: () => this.#free(holder, entry),
      };
    } catch (error) {
      throw entry.isOver ? overError(holder) : error;
    } finally {
      // Takes the listener off the signal.
      entry.waiting.cancel("it was taken, or not");
      if (entry.holding === null) this.#remove(holder, entry);
    }
  }

  /**
   * Gives one back.
   *
   * @param fence - of which holding; absent: whichever has that name.
   */
  async free(holder: LockHolder, name: string, fence?: number): Promise<void> {
    for (const entry of this.#entries.get(holder) ?? []) {
      if (entry.holding === null || entry.name !== name) continue;
      if (fence === undefined || entry.holding.fence === fence) return this.#free(holder, entry);
    }
  }

  /**
   * The holder has ended: what it waited for it gets no more, and what it held is given back, without a wait.
   *
   * @param runsOn - part of its code has not ended: its locks are left to their time to live.
   */
  ended(holder: LockHolder, runsOn: boolean): void {
    for (const holding of this.#takeOut(holder)) {
      if (runsOn || this.#nursery === null) holding.forsake();
      else this.#nursery.startSoon(() => free(holding), { name: `free lock ${holding.name}` });
    }
  }

  #refuse(holder: LockHolder): Nursery {
    const { lockRefusal } = holder;
    if (lockRefusal !== null) throw new LockRefusedError(lockRefusal);
    if (this.#nursery === null) throw new LockRefusedError("the executor has left: it takes no locks any more");
    if (this.#size >= MOST_LOCKS) throw new LockRefusedError(`${MOST_LOCKS} locks are held or waited for here`);
    if ((this.#entries.get(holder)?.size ?? 0) < MOST_LOCKS_OF_ATTEMPT) return this.#nursery;
    throw new LockRefusedError(
      `an attempt holds ${MOST_LOCKS_OF_ATTEMPT} locks at most, those that it waits for included`,
    );
  }

  async #free(holder: LockHolder, entry: Entry): Promise<void> {
    this.#remove(holder, entry);
    entry.renewing?.cancel("it is given back");
    if (entry.holding !== null) await free(entry.holding);
  }

  #add(holder: LockHolder, entry: Entry): void {
    const entries = this.#entries.get(holder) ?? new Set();
    this.#entries.set(holder, entries.add(entry));
    this.#size++;
  }

  #remove(holder: LockHolder, entry: Entry): void {
    entry.isOver = true;
    const entries = this.#entries.get(holder);
    if (entries?.delete(entry) !== true) return;
    this.#size--;
    if (entries.size === 0) this.#entries.delete(holder);
  }

  /** Nothing is waited for or renewed for it any more; what it held is for the caller. */
  #takeOut(holder: LockHolder): Holding[] {
    const held: Holding[] = [];
    for (const entry of [...(this.#entries.get(holder) ?? [])]) {
      this.#remove(holder, entry);
      entry.waiting.cancel("its attempt has ended");
      entry.renewing?.cancel("its attempt has ended");
      if (entry.holding !== null) held.push(entry.holding);
    }
    return held;
  }
}

function overError({ lockRefusal }: LockHolder): LockRefusedError {
  return new LockRefusedError(lockRefusal ?? "the executor has left: it takes no locks any more");
}

/** Renews it until it is over. A lock that cannot be renewed for a reason of its own is lost, and nothing else is. */
async function keep(entry: Entry, holding: Holding, parent: CancelScope): Promise<void> {
  if (entry.isOver) return;
  await withScope(parent, {}, async (scope) => {
    entry.renewing = scope;
    try {
      await holding.keep(scope);
    } catch (error) {
      if (scope.signal.aborted) throw error;
      logger.warn("The lock {name} cannot be renewed: {error}", { name: holding.name, error: messageOf(error) });
      holding.lose();
    }
  });
}

async function free(holding: Holding): Promise<void> {
  try {
    await holding.free();
  } catch (error) {
    // Its time to live ends it.
    logger.warn("The lock {name} cannot be given back: {error}", { name: holding.name, error: messageOf(error) });
  }
}

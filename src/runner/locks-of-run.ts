/** The locks of one run in a runner: its executor holds and renews them, and says when one is lost. */
import { abortable } from "../concurrency/index.ts";
import type { KeptLock, LockTerms } from "../task/lock/lock.ts";
import type { Asks } from "./asks.ts";

export class LocksOfRun {
  readonly #run: number;
  readonly #asks: Asks;
  /** By their fences. */
  readonly #held = new Map<number, Held>();
  /** How many are asked for. */
  #asked = 0;
  /** Fences of those that were lost before whoever asked for them had heard that they are taken. */
  readonly #lostEarly = new Set<number>();

  constructor(run: number, asks: Asks) {
    this.#run = run;
    this.#asks = asks;
  }

  /** @throws (rejects) as `takeLock` of an attempt does. */
  async take(terms: LockTerms, signal: AbortSignal): Promise<KeptLock | null> {
    const taking = this.#take(terms);
    try {
      return await abortable(taking, signal);
    } catch (error) {
      // Whoever waited is gone: what comes nevertheless goes back.
      if (signal.aborted) taking.then((late) => late?.free()).catch(() => {});
      throw error;
    }
  }

  /** The executor does not hold it any more. */
  lost(name: string, fence: number | undefined): void {
    let isKnown = false;
    for (const held of this.#held.values()) {
      if (held.name !== name || (fence !== undefined && held.fence !== fence)) continue;
      isKnown = true;
      held.lose();
    }
    if (!isKnown && fence !== undefined && this.#asked > 0) this.#lostEarly.add(fence);
  }

  async #take(terms: LockTerms): Promise<Held | null> {
    this.#asked++;
    try {
      const taken = await this.#asks.lock(this.#run, terms);
      if (taken === null) return null;
      const { fence } = taken;
      const held = new Held(terms.name, fence, async () => {
        this.#held.delete(fence);
        await this.#asks.unlock(this.#run, terms.name, fence);
      });
      this.#held.set(fence, held);
      if (this.#lostEarly.has(fence)) held.lose();
      return held;
    } finally {
      this.#asked--;
      if (this.#asked === 0) this.#lostEarly.clear();
    }
  }
}

class Held implements KeptLock {
  readonly name: string;
  readonly fence: number;
  readonly #free: () => Promise<void>;
  readonly #listeners = new Set<() => void>();
  #isLost = false;
  #isFreed = false;

  constructor(name: string, fence: number, free: () => Promise<void>) {
    this.name = name;
    this.fence = fence;
    this.#free = free;
  }

  get isHeld(): boolean {
    return !this.#isLost && !this.#isFreed;
  }

  onLost(listener: () => void): () => void {
    if (this.#isLost) listener();
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }

  async free(): Promise<void> {
    if (this.#isFreed) return;
    this.#isFreed = true;
    await this.#free();
  }
}

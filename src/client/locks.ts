/** Locks of a client: taken, renewed while the block runs, given back when it has ended, whatever way. */
import { hostname } from "node:os";
import type { Locks } from "../broker/contract/locks.ts";
import { type CancelScope, Latch, moveOnAfter, openRoot, withNursery, withScope } from "../concurrency/index.ts";
import { LockTaker } from "../operations/locks/locks.ts";
import { type HeldLock, type LockOptions, lockTerms, whileHeld } from "../task/lock/lock.ts";
import { ClientClosedError } from "./errors.ts";

/** How long a close waits for the blocks that it has cancelled, in ms. */
const CLOSE_MS = 5_000;

export interface ClientLockOptions extends LockOptions {
  /** In which the block runs: its cancel ends the wait, and the block. */
  readonly scope?: CancelScope | undefined;
}

/** What became of a try: `value` is what the block has given. */
export type TriedLock<T> = { readonly taken: true; readonly value: T } | { readonly taken: false };

type Body<T> = (lock: HeldLock) => Promise<T> | T;

export class ClientLocks {
  readonly #taker: LockTaker;
  readonly #scopes = new Set<CancelScope>();
  #ended = new Latch();

  constructor(locks: Locks) {
    this.#taker = new LockTaker(locks, `${hostname()}:${process.pid}`);
  }

  /** @throws (rejects) as Client.withLock says. */
  async hold<T>(name: string, { scope, ...options }: ClientLockOptions, body: Body<T>): Promise<TriedLock<T>> {
    const terms = lockTerms(name, options);
    const outcome = await withScope(scope ?? openRoot(), {}, async (inner): Promise<TriedLock<T>> => {
      this.#scopes.add(inner);
      try {
        const holding = await this.#taker.take(terms, inner.signal);
        if (holding === null) return { taken: false };
        try {
          return { taken: true, value: await this.#keptWhile(inner, holding, body) };
        } finally {
          await holding.free();
        }
      } finally {
        this.#scopes.delete(inner);
        this.#ended.set();
      }
    });
    if (outcome.cancelled) throw new ClientClosedError();
    return outcome.value;
  }

  /** Cancels all blocks, and waits a while for their ends. */
  async close(): Promise<void> {
    for (const scope of this.#scopes) scope.cancel("the client is closed");
    await moveOnAfter(openRoot(), CLOSE_MS, async ({ signal }) => {
      while (this.#scopes.size > 0) {
        this.#ended = new Latch();
        await this.#ended.wait(signal);
      }
    });
  }

  async #keptWhile<T>(
    scope: CancelScope,
    holding: NonNullable<Awaited<ReturnType<LockTaker["take"]>>>,
    body: Body<T>,
  ): Promise<T> {
    let ending: { readonly value: T } | { readonly error: unknown } | null = null;
    await withNursery(scope, async (nursery) => {
      nursery.startSoon((task) => holding.keep(task.scope), { name: "renewal" });
      try {
        ending = { value: await whileHeld(scope, holding, body) };
      } catch (error) {
        ending = { error };
      }
      nursery.scope.cancel("the block has ended");
    });
    return endOf<T>(ending);
  }
}

/** A nursery would hand its body's error on in a group. */
function endOf<T>(ending: { readonly value: T } | { readonly error: unknown } | null): T {
  if (ending === null) throw new Error("a block ended in no way");
  if ("error" in ending) throw ending.error;
  return ending.value;
}

/**
 * A lock of the whole fleet as users have it: what may be asked, what its holder is told, and the block that ends when
 * the lock is lost. Who takes and renews it is operations/locks/locks.ts.
 */
import * as v from "valibot";
import { type CancelScope, withScope } from "../../concurrency/index.ts";
import { DurationSchema, MAX_DURATION_MS } from "../limits.ts";

/** The longest name, in UTF-16 code units. */
export const MAX_LOCK_NAME = 256;
/** How long a lock is held without a renewal, in ms: the least, what holds where nobody says it, and the most. */
export const [LEAST_LOCK_TTL_MS, DEFAULT_LOCK_TTL_MS, MOST_LOCK_TTL_MS] = [100, 30_000, 86_400_000];

/** So many locks one attempt may hold and wait for. */
export const MOST_LOCKS_OF_ATTEMPT = 100;

/** On Redis a lock is a key of that very name: these are others'. */
const TAKEN_NAMES = /^(?:taskexe:|te\.)|^(?:TASKEXE|clean_task_executor)$|-cancel$/;

export interface LockOptions {
  /** How long a holder that cannot renew it any more still has it, in ms, 100 to a day; default 30 000. */
  readonly ttlMs?: number | undefined;
  /** How long to wait while another holds it, in ms; default: as long as it takes. */
  readonly waitMs?: number | undefined;
}

/** What the block that holds a lock is given. */
export interface HeldLock {
  readonly name: string;
  /**
   * Larger than that of every holder before. Hand it to what the lock protects, and have that refuse smaller ones: a
   * holder that was stopped for long may believe that it still holds the lock.
   */
  readonly fence: number;
  /** Cancelled when the lock is lost, and with the scope that it was taken in. */
  readonly scope: CancelScope;
  readonly signal: AbortSignal;
  /** Whether it is still held, as far as can be known here. */
  readonly isHeld: boolean;
}

/** Another one held the lock for as long as was waited. */
export class LockNotTakenError extends Error {
  override readonly name = "LockNotTakenError";

  constructor(name: string, waitMs: number) {
    super(`the lock "${name}" is held by another one, and was for the ${waitMs} ms that were waited`);
  }
}

/** The lock was not held any more when its block ended: another one may have been in theirs. */
export class LockLostError extends Error {
  override readonly name = "LockLostError";

  constructor(name: string) {
    super(`the lock "${name}" was lost before its block had ended: it could not be renewed in time`);
  }
}

/** The attempt has ended or has lost its lease, or too many locks are held or waited for. Nothing was taken. */
export class LockRefusedError extends Error {
  override readonly name = "LockRefusedError";
}

export const LockNameSchema = v.pipe(
  v.string("the name of a lock must be text"),
  v.nonEmpty("the name of a lock must not be empty"),
  v.maxLength(MAX_LOCK_NAME, `the name of a lock must have at most ${MAX_LOCK_NAME} characters`),
  v.check((name) => name.isWellFormed(), "the name of a lock must be well-formed text"),
  v.check((name) => !TAKEN_NAMES.test(name), "a lock must not have the name of a key of taskexe itself"),
);

export const LockTtlSchema = v.pipe(
  v.number("ttlMs must be a number of ms"),
  v.minValue(LEAST_LOCK_TTL_MS, `ttlMs must be ${LEAST_LOCK_TTL_MS} ms at least`),
  v.maxValue(MOST_LOCK_TTL_MS, `ttlMs must be ${MOST_LOCK_TTL_MS} ms (a day) at most`),
);

const OptionsSchema = v.object({
  name: LockNameSchema,
  ttlMs: v.optional(LockTtlSchema, DEFAULT_LOCK_TTL_MS),
  waitMs: v.optional(DurationSchema, MAX_DURATION_MS),
});

export type LockTerms = v.InferOutput<typeof OptionsSchema>;

/** @throws RangeError for a name or a time that cannot be. */
export function lockTerms(name: string, { ttlMs, waitMs }: LockOptions = {}): LockTerms {
  const read = v.safeParse(OptionsSchema, { name, ttlMs, waitMs: waitMs === Infinity ? undefined : waitMs });
  if (read.success) return read.output;
  throw new RangeError(`${read.issues[0].message}, got ${JSON.stringify(read.issues[0].input)}`);
}

/** A lock that was taken. */
export interface Taken {
  readonly name: string;
  readonly fence: number;
  readonly isHeld: boolean;
  /** Called once, when it is lost; at once where it is already. Undone by what it gives back. */
  onLost(listener: () => void): () => void;
}

/** A lock that somebody else renews. */
export interface KeptLock extends Taken {
  /** Gives it back; again, or once it is lost, that changes nothing. */
  free(): Promise<void>;
}

/**
 * Runs a block that holds a lock: its scope is cancelled when the lock is lost. Giving it back is for the caller.
 *
 * @throws (rejects) what `body` throws; LockLostError where the lock was lost before it had ended; the cancel of
 *   `scope`.
 */
export async function whileHeld<T>(
  scope: CancelScope,
  taken: Taken,
  body: (lock: HeldLock) => Promise<T> | T,
): Promise<T> {
  const { name, fence } = taken;
  const outcome = await withScope(scope, { name: `lock ${name}` }, async (inner) => {
    const undo = taken.onLost(() => inner.cancel(`the lock "${name}" was lost`));
    const lock: HeldLock = {
      ...{ name, fence, scope: inner, signal: inner.signal },
      get isHeld() {
        return taken.isHeld;
      },
    };
    try {
      return await body(lock);
    } finally {
      undo();
    }
  });
  if (outcome.cancelled || !taken.isHeld) throw new LockLostError(name);
  return outcome.value;
}

/**
 * How long ago a lease was last known to be ours. Counted from before the command was sent, on two clocks: the
 * monotonic one (it stands still while a machine sleeps) and the wall clock (it can jump). A lease is fresh only while
 * both say so; of any other the broker itself must be asked whose it is.
 */

/** Up to this part of the lease nobody can have taken it. */
const FRESH_PART = 0.6;

/** When a lease was last known to be ours. Shared by all entries of one claim or renewal. */
export interface LeaseStamp {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function stampLease(): LeaseStamp {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/**
 * The lease of what was ended or handed back: never fresh, so that the broker is asked should it be ended once more.
 */
export const GIVEN_UP: LeaseStamp = { monotonicMs: Number.NEGATIVE_INFINITY, wallMs: Number.NEGATIVE_INFINITY };

/** Whether a lease of `leaseMs` is surely still ours. */
export function isFresh(lease: LeaseStamp, leaseMs: number, now: LeaseStamp): boolean {
  const ageMs = Math.max(now.monotonicMs - lease.monotonicMs, now.wallMs - lease.wallMs);
  return ageMs <= leaseMs * FRESH_PART;
}

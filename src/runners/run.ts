/**
 * One attempt on its way through a pool: it waits for a runner, is handed over, begins there, and ends in exactly one
 * way: as its code said, as its process died, or as it was stopped.
 */
import { type CancelScope, onCancel } from "../concurrency/index.ts";
import type { CancelReason, HandlerAttempt, HandlerEnding } from "../handlers/handler.ts";

/** Who has it to place: told when it is to be stopped. */
export interface RunPlace {
  cancelled(run: Run): void;
}

/** How many others may be in its runner. */
const ANY = Number.POSITIVE_INFINITY;
const HELD_UP = "its time passed while its runner stood still, which something else in it may have caused";

export class Run {
  readonly attempt: HandlerAttempt;
  readonly scope: CancelScope;
  /** How many others its runner may have; 0: it runs alone; Infinity: any number. */
  company: number;
  readonly isSuspect: boolean;
  /** The pool that has taken it. */
  place: RunPlace | null = null;
  /** Only a runner in which nothing has run before tells whether it is guilty. */
  readonly wantsFresh: boolean;
  /** The runner that it was handed over to. */
  runner: object | null = null;
  number = 0;
  hasBegun = false;
  /** Nobody waits for it any more: whatever its runner still says of it counts for nothing. */
  hasEnded = false;
  /** When it was told to stop, on the clock of performance.now(); null: it was not. */
  cancelledAt: number | null = null;
  reason: CancelReason = "cancelled";
  /** It was handed ahead, and its runner was asked to give it back. */
  isAskedBack = false;
  /** Its runner is killed for it. */
  isKilled = false;
  /** When it was handed over last, Unix ms. */
  givenAt = 0;
  /** When it began, on the clock of performance.now(), and how long its runner had stood still by then, in ms. */
  begunAt = 0;
  stillBefore = 0;
  /** It ran out of time while another stood in its way: how many had begun beside it; 0: not so. */
  heldUpBy = 0;
  /** Takes the timer of its grace back. */
  disarm: (() => void) | null = null;
  #deafen: (() => void) | null = null;
  readonly #end = Promise.withResolvers<HandlerEnding>();

  /** @param isAlone - nothing may run beside it. */
  constructor(attempt: HandlerAttempt, scope: CancelScope, isAlone: boolean) {
    this.attempt = attempt;
    this.scope = scope;
    const { suspect } = attempt;
    this.company = isAlone ? 0 : (suspect?.company ?? ANY);
    this.isSuspect = suspect !== null;
    this.wantsFresh = suspect?.company === 0;
  }

  /**
   * How it ends. Its place is told when its scope is cancelled before that.
   *
   * @throws (rejects) the cancel of its scope, where it was stopped.
   */
  toTheEnd(): Promise<HandlerEnding> {
    if (!this.hasEnded) {
      this.#deafen = onCancel(this.scope, () => this.place?.cancelled(this));
      // How many suspects may run is bounded by what may run beside them, and nothing else is to begin meanwhile.
      if (this.runner === null && !this.isSuspect) this.attempt.waits();
    }
    return this.#end.promise;
  }

  /** It is handed over. */
  givenTo(runner: object, number: number, stillMs: number): void {
    this.runner = runner;
    this.number = number;
    this.isAskedBack = false;
    this.hasBegun = false;
    this.stillBefore = stillMs;
    this.givenAt = Date.now();
  }

  begun(): void {
    this.hasBegun = true;
    if (!this.hasEnded) this.attempt.begun();
  }

  end(ending: HandlerEnding): void {
    if (this.#leave()) this.#end.resolve(ending);
  }

  /**
   * It was stopped, as its scope was.
   *
   * @param retryInMs - when the next attempt is due by its code's own function, where that was asked.
   */
  stopped(how: "heeded" | "killed" | "abandoned", retryInMs?: number): void {
    if (this.heldUpBy > 0) {
      this.end({ kind: "suspected", company: this.heldUpBy, reason: HELD_UP });
      return;
    }
    if (!this.#leave()) return;
    if (this.cancelledAt !== null && this.hasBegun) {
      this.attempt.tellEndedBy({ how, afterMs: performance.now() - this.cancelledAt });
    }
    if (retryInMs !== undefined) this.attempt.tellDelay(retryInMs);
    this.#end.reject(this.scope.signal.reason);
  }

  /**
   * Its runner has ended.
   *
   * @param company - how many others had begun there.
   * @param isFirst - none had ended there: what one has left behind, as a timer, may have been the cause.
   */
  lost(company: number, isFirst: boolean, reason: string): void {
    if (this.cancelledAt !== null) this.stopped("killed");
    else if (company === 0 && isFirst) this.end({ kind: "crashed", reason });
    else this.end({ kind: "suspected", company, reason });
  }

  #leave(): boolean {
    if (this.hasEnded) return false;
    this.hasEnded = true;
    this.disarm?.();
    this.#deafen?.();
    return true;
  }
}

/** What can go wrong in a client, beside what its broker and the checks of a task say. */
import type { EnqueueReceipt } from "../broker/broker.ts";

/** More tasks wait to be sent than the client holds: the broker is away, or slower than the program enqueues. */
export class ClientOverloadedError extends Error {
  override readonly name = "ClientOverloadedError";
}

/** A handler that runs in a runner asks for what its executor does not do for it: that needs the broker's address. */
export class NotThroughExecutorError extends Error {
  override readonly name = "NotThroughExecutorError";
}

/** The client was used after, or while, it was closed. */
export class ClientClosedError extends Error {
  override readonly name = "ClientClosedError";

  constructor(message = "the client is closed") {
    super(message);
  }
}

/** An enqueueMany stopped on its way; `cause` says why. What it enqueued before stays enqueued. */
export class PartlyEnqueuedError extends Error {
  override readonly name = "PartlyEnqueuedError";
  /** Of the tasks that were enqueued, from the first one on. */
  readonly receipts: readonly EnqueueReceipt[];

  constructor(receipts: readonly EnqueueReceipt[], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${receipts.length} tasks were enqueued before it stopped: ${reason}`, { cause });
    this.receipts = receipts;
  }
}

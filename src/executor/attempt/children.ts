/**
 * What the handlers of this executor enqueue. While the broker is away it is waited for, as long as the attempt lives:
 * the ids are made once, so that a second try enqueues nothing twice. An attempt that has ended, or has lost its lease,
 * enqueues nothing any more: another one may run by then.
 */

import { untilAvailable } from "../../broker/availability.ts";
import type { Broker, EnqueueReceipt } from "../../broker/broker.ts";
import { MOST_OPEN_ASKS, RefusedEnqueueError } from "../../handlers/enqueue-error.ts";
import type { Handlers } from "../../handlers/handler.ts";
import { prepareChildren } from "../../operations/children.ts";
import { sending } from "../../task/trace/sending.ts";
import type { TraceContext } from "../../task/trace/trace-context.ts";
import { knownTypeOf } from "../known-type.ts";
import { DEFAULT_RETENTION_MS, type ExecutorOptions } from "../options.ts";

/** The attempt that asks. */
export interface AskingAttempt {
  readonly id: string;
  /** The id of the ended task that it follows, or that its parent does; null: it follows none. */
  readonly follows: string | null;
  readonly trace?: TraceContext | null | undefined;
  readonly scope: { readonly signal: AbortSignal };
  /** Why it may not enqueue any more; null: it may. */
  readonly enqueueRefusal: string | null;
}

export class Children {
  readonly #broker: Pick<Broker, "now" | "enqueue">;
  readonly #handlers: Handlers;
  readonly #options: Pick<ExecutorOptions, "retentionMs" | "priorities">;
  #open = 0;

  constructor(
    broker: Pick<Broker, "now" | "enqueue">,
    handlers: Handlers,
    options: Pick<ExecutorOptions, "retentionMs" | "priorities">,
  ) {
    this.#broker = broker;
    this.#handlers = handlers;
    this.#options = options;
  }

  /** @throws (rejects) RefusedEnqueueError; InvalidTaskError; what the broker throws; the cancel of the attempt. */
  async enqueue(attempt: AskingAttempt, tasks: readonly unknown[]): Promise<EnqueueReceipt[]> {
    refuse(attempt);
    if (this.#open >= MOST_OPEN_ASKS) {
      throw new RefusedEnqueueError(`${MOST_OPEN_ASKS} enqueues wait for their answers already: await them`);
    }
    this.#open++;
    try {
      const known = (type: string) => knownTypeOf(this.#handlers.get(type));
      const { retentionMs = DEFAULT_RETENTION_MS, priorities } = this.#options;
      const prepared = await prepareChildren(this.#broker, { retentionMs, priorities }, known, {
        ...{ parent: attempt.id, follows: attempt.follows ?? undefined, trace: attempt.trace, tasks },
      });
      const send = () => {
        refuse(attempt);
        return prepared.send();
      };
      return await sending(prepared.tasks, () => untilAvailable(send, attempt.scope.signal));
    } finally {
      this.#open--;
    }
  }
}

function refuse({ enqueueRefusal }: AskingAttempt): void {
  if (enqueueRefusal !== null) throw new RefusedEnqueueError(enqueueRefusal);
}

/** Many tasks on their way from whoever has them to whoever takes them: in batches, each enqueued all or not at all. */
import type { EnqueueReceipt } from "../broker/broker.ts";
import { refusedAt } from "../task/message/new-task.ts";
import type { EnqueueOptions } from "../task/options/enqueue-options.ts";
import { PartlyEnqueuedError } from "./errors.ts";
import type { AnyTask } from "./task-type.ts";

/** One of many tasks of the same type. */
export type Item<Payload = unknown> = EnqueueOptions & { readonly payload?: Payload };

/** One of many tasks of any types. */
export type MixedItem = EnqueueOptions & { readonly task: AnyTask; readonly payload?: unknown };

export type Many<T> = Iterable<T> | AsyncIterable<T>;

export interface Batching<T> {
  /** Makes one ready. */
  readonly make: (item: MixedItem) => T | Promise<T>;
  readonly lengthOf: (made: T) => number;
  readonly send: (batch: readonly T[]) => Promise<EnqueueReceipt[]>;
  /** How many one batch has at the most, and with which length the next one begins. */
  readonly most: number;
  readonly mostLength: number;
}

/** @throws what `make` and `send` throw where nothing was enqueued yet, else PartlyEnqueuedError with what was. */
export async function enqueueBatches<T>(
  first: AnyTask | Many<MixedItem>,
  items: Many<Item> | undefined,
  { make, lengthOf, send, most, mostLength }: Batching<T>,
): Promise<EnqueueReceipt[]> {
  const receipts: EnqueueReceipt[] = [];
  try {
    let batch: T[] = [];
    let length = 0;
    for await (const item of mixed(first, items)) {
      try {
        const making = make(item);
        const made = making instanceof Promise ? await making : making;
        batch.push(made);
        length += lengthOf(made);
      } catch (error) {
        throw refusedAt(`items[${receipts.length + batch.length}]`, error);
      }
      if (batch.length < most && length < mostLength) continue;
      receipts.push(...(await send(batch)));
      batch = [];
      length = 0;
    }
    if (batch.length > 0) receipts.push(...(await send(batch)));
    return receipts;
  } catch (error) {
    throw receipts.length === 0 ? error : new PartlyEnqueuedError(receipts, error);
  }
}

async function* mixed(first: AnyTask | Many<MixedItem>, items: Many<Item> | undefined): AsyncGenerator<MixedItem> {
  if (items === undefined) yield* first as Many<MixedItem>;
  else for await (const item of items) yield { ...item, task: first as AnyTask };
}

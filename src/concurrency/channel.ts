// Passing values between tasks: any number of senders, any number of receivers, a buffer of a given size.
// Promises that each value arrives exactly once, first come first served, that no cancelled wait loses one, and that
// each side learns when the other is gone.

import { BrokenResourceError, ClosedResourceError, EndOfChannelError, WouldBlockError } from "./errors.ts";
import { WaitQueue } from "./wait-queue.ts";

/**
 * What a channel holds at one moment.
 *
 * @example
 * ```ts
 * import { type ChannelStatistics, openChannel } from "taskexe/concurrency";
 *
 * const [sender, receiver] = openChannel<string>(2);
 * sender.sendNowait("a");
 * const { bufferUsed, capacity }: ChannelStatistics = receiver.statistics();
 * console.log({ bufferUsed, capacity }); // { bufferUsed: 1, capacity: 2 }
 * ```
 */
export interface ChannelStatistics {
  /** How many values are buffered. */
  readonly bufferUsed: number;
  /** How many can be. */
  readonly capacity: number;
  /** How many sending handles are not closed. */
  readonly openSenders: number;
  /** How many receiving handles are not closed. */
  readonly openReceivers: number;
  /** How many sends wait for room. */
  readonly waitingSenders: number;
  /** How many receives wait for a value. */
  readonly waitingReceivers: number;
}

/**
 * Opens a channel.
 *
 * @param capacity - how many values it buffers: an integer >= 0, or `Infinity`. With 0 a send waits for its receive.
 * @returns the first handle of each side; more come from `clone`. Close every handle when it is no longer used.
 * @throws RangeError for any other capacity.
 * @example
 * ```ts
 * import { openChannel, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const [sender, receiver] = openChannel<number>(0);
 * const received: number[] = [];
 * await withNursery(openRoot(), async (nursery) => {
 *   nursery.startSoon(async (task) => {
 *     for (const value of [1, 2, 3]) await sender.send(value, task.signal);
 *     sender.close();
 *   });
 *   for await (const value of receiver.values(nursery.scope.signal)) received.push(value);
 * });
 * console.log(received); // [1, 2, 3]
 * ```
 */
export function openChannel<T>(capacity: number): [sender: SendChannel<T>, receiver: ReceiveChannel<T>] {
  if (capacity !== Infinity && !(Number.isInteger(capacity) && capacity >= 0)) {
    throw new RangeError(`A channel's capacity is an integer >= 0 or Infinity, got ${String(capacity)}`);
  }
  const pipe = new Pipe<T>(capacity);
  return [new SendChannel(pipe), new ReceiveChannel(pipe)];
}

/** A send that waits for its turn. */
interface Parcel<T> {
  readonly value: T;
  readonly handle: SendChannel<T>;
}

/** What the handles of one channel share. */
class Pipe<T> {
  readonly capacity: number;
  readonly buffer = new Fifo<T>();
  readonly senders = new WaitQueue<void, Parcel<T>>();
  readonly receivers = new WaitQueue<T, ReceiveChannel<T>>();
  openSenders = 0;
  openReceivers = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Hands a value over, or buffers it. @returns false when neither can be done now. */
  accept(value: T): boolean {
    const receiver = this.receivers.first;
    if (receiver !== undefined) {
      receiver.resolve(value);
      return true;
    }
    if (this.buffer.size >= this.capacity) return false;
    this.buffer.push(value);
    return true;
  }

  /** Takes the next value, and lets the first waiting sender have the place. */
  take(): { readonly value: T } | undefined {
    const sender = this.senders.first;
    const taken = this.buffer.shift();
    if (taken === undefined) {
      sender?.resolve();
      return sender?.data;
    }
    if (sender !== undefined) {
      this.buffer.push(sender.data.value);
      sender.resolve();
    }
    return taken;
  }

  statistics(): ChannelStatistics {
    return {
      bufferUsed: this.buffer.size,
      capacity: this.capacity,
      openSenders: this.openSenders,
      openReceivers: this.openReceivers,
      waitingSenders: this.senders.size,
      waitingReceivers: this.receivers.size,
    };
  }
}

/**
 * The sending side of a channel; made by {@link openChannel} and {@link SendChannel.clone}.
 *
 * @example
 * ```ts
 * import { openChannel, openRoot, type SendChannel, withNursery } from "taskexe/concurrency";
 *
 * async function produce(sender: SendChannel<string>, name: string, signal: AbortSignal): Promise<void> {
 *   await sender.send(name, signal).finally(() => sender.close());
 * }
 *
 * const [sender, receiver] = openChannel<string>(0);
 * const received: string[] = [];
 * await withNursery(openRoot(), async (nursery) => {
 *   nursery.startSoon((task) => produce(sender.clone(), "a", task.signal));
 *   nursery.startSoon((task) => produce(sender, "b", task.signal));
 *   for await (const value of receiver.values(nursery.scope.signal)) received.push(value);
 * });
 * console.log(received.sort()); // ["a", "b"]
 * ```
 */
export class SendChannel<T> {
  readonly #pipe: Pipe<T>;
  #closed = false;

  /** @internal */
  constructor(pipe: Pipe<T>) {
    this.#pipe = pipe;
    pipe.openSenders++;
  }

  /**
   * Sends a value; waits while the buffer is full. When it returns, the value is in the buffer or received.
   *
   * @throws (rejects) the signal's reason; ClosedResourceError when this handle is closed, also while it waits;
   * BrokenResourceError when every receiver is.
   */
  async send(value: T, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#checkSendable();
    if (!this.#pipe.accept(value)) await this.#pipe.senders.wait({ value, handle: this }, signal);
  }

  /** @throws WouldBlockError when the buffer is full; ClosedResourceError and BrokenResourceError as {@link send}. */
  sendNowait(value: T): void {
    this.#checkSendable();
    if (!this.#pipe.accept(value)) throw new WouldBlockError("The channel is full and nobody waits to receive");
  }

  /** One more handle to the same channel, to be closed on its own. @throws ClosedResourceError on a closed handle. */
  clone(): SendChannel<T> {
    this.#checkOpen();
    return new SendChannel(this.#pipe);
  }

  /** Closes this handle. Receivers come to the end once the last sender is closed and the buffer drained. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const pipe = this.#pipe;
    pipe.openSenders--;
    pipe.senders.rejectAll(closedHandle, ({ handle }) => handle === this);
    if (pipe.openSenders === 0) pipe.receivers.rejectAll(endOfChannel);
  }

  /** What the whole channel holds, and who waits at it, at this moment. */
  statistics(): ChannelStatistics {
    return this.#pipe.statistics();
  }

  /** Closes this handle; for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedHandle();
  }

  #checkSendable(): void {
    this.#checkOpen();
    if (this.#pipe.openReceivers === 0) throw new BrokenResourceError("Every receiver of this channel is closed");
  }
}

/**
 * The receiving side of a channel; made by {@link openChannel} and {@link ReceiveChannel.clone}.
 *
 * @example
 * ```ts
 * import { openChannel, openRoot, type ReceiveChannel } from "taskexe/concurrency";
 *
 * async function sum(receiver: ReceiveChannel<number>, signal: AbortSignal): Promise<number> {
 *   let total = 0;
 *   for await (const value of receiver.values(signal)) total += value;
 *   return total;
 * }
 *
 * const [sender, receiver] = openChannel<number>(Infinity);
 * for (const value of [1, 2, 3]) sender.sendNowait(value);
 * sender.close();
 * console.log(await sum(receiver, openRoot().signal)); // 6
 * ```
 */
export class ReceiveChannel<T> {
  readonly #pipe: Pipe<T>;
  #closed = false;

  /** @internal */
  constructor(pipe: Pipe<T>) {
    this.#pipe = pipe;
    pipe.openReceivers++;
  }

  /**
   * Receives the next value; waits while there is none. A value that was handed over is delivered even if the signal
   * aborts in the same moment.
   *
   * @throws (rejects) the signal's reason; ClosedResourceError when this handle is closed, also while it waits;
   * EndOfChannelError when every sender is and the buffer is empty.
   */
  async receive(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    return this.#receive(signal);
  }

  /**
   * @throws WouldBlockError when there is no value now; ClosedResourceError and EndOfChannelError as {@link receive}.
   */
  receiveNowait(): T {
    const taken = this.#take();
    if (taken === undefined) throw new WouldBlockError("The channel is empty and nobody waits to send");
    return taken.value;
  }

  /** One more handle to the same channel, to be closed on its own. @throws ClosedResourceError on a closed handle. */
  clone(): ReceiveChannel<T> {
    this.#checkOpen();
    return new ReceiveChannel(this.#pipe);
  }

  /** Closes this handle. Once the last receiver is closed what is buffered is dropped and senders fail. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const pipe = this.#pipe;
    pipe.openReceivers--;
    pipe.receivers.rejectAll(closedHandle, (handle) => handle === this);
    if (pipe.openReceivers > 0) return;
    pipe.senders.rejectAll(() => new BrokenResourceError("Every receiver of this channel is closed"));
    pipe.buffer.clear();
  }

  /** What the whole channel holds, and who waits at it, at this moment. */
  statistics(): ChannelStatistics {
    return this.#pipe.statistics();
  }

  /**
   * The values to come, until every sender is closed: then the loop just ends. Leaving the loop early takes no value
   * more and leaves the channel open.
   *
   * @param signal - makes the loop fail when it aborts; pass it wherever the loop may be cancelled.
   * @throws (rejects) as {@link receive}, except for the end.
   */
  async *values(signal?: AbortSignal): AsyncGenerator<T, void, void> {
    for (;;) {
      let value: T;
      try {
        signal?.throwIfAborted();
        value = await this.#receive(signal);
      } catch (error) {
        if (error instanceof EndOfChannelError) return;
        throw error;
      }
      yield value;
    }
  }

  /** `for await` over {@link values}, without a signal: only closing ends a wait. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    return this.values();
  }

  /** Closes this handle; for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #receive(signal: AbortSignal | undefined): Promise<T> {
    const taken = this.#take();
    if (taken !== undefined) return taken.value;
    return this.#pipe.receivers.wait(this, signal);
  }

  #take(): { readonly value: T } | undefined {
    this.#checkOpen();
    const taken = this.#pipe.take();
    if (taken === undefined && this.#pipe.openSenders === 0) throw endOfChannel();
    return taken;
  }

  #checkOpen(): void {
    if (this.#closed) throw closedHandle();
  }
}

function closedHandle(): ClosedResourceError {
  return new ClosedResourceError("This handle of the channel is closed");
}

function endOfChannel(): EndOfChannelError {
  return new EndOfChannelError("Every sender of this channel is closed and nothing is left in it");
}

/** A queue of values in which `undefined` is a value like any other. */
class Fifo<T> {
  #items: { readonly value: T }[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(value: T): void {
    this.#items.push({ value });
  }

  shift(): { readonly value: T } | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    // Half of it is behind us: moving the rest costs no more than was saved by not moving it at each shift.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}

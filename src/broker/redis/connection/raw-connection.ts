/**
 * A connection for what must be fast. ioredis opens it, authenticates, selects the db and opens it anew for ever; once
 * it is ready, its socket is ours: batches are written as they are, and answers read by our own decoder. When the
 * socket goes, every batch that is not answered whole fails.
 */
import type { Redis } from "ioredis";
import { Latch, systemClock } from "../../../concurrency/index.ts";
import { isAnswer, isServerRefusal, unavailableError } from "./answers.ts";
import type { CommandBatch } from "./command-batch.ts";
import { ReplyDecoder, ReplyError } from "./reply-decoder.ts";

/** What one command was answered. */
export type Reply = readonly [error: ReplyError | null, reply: unknown];

/** A batch that is not answered whole. */
interface Waiter {
  readonly replies: Reply[];
  readonly size: number;
  readonly resolve: (replies: readonly Reply[]) => void;
  readonly reject: (error: Error) => void;
}

/** Between two tries where Redis refuses what a line needs, in ms. */
const RETRY_MS = 1_000;

/** Who wants to know about a line. */
export interface ConnectionObserver {
  /** It was opened, or lost. */
  changed(): void;
  /** Redis refused what it needs; it is asked again. */
  refused(error: Error): void;
}

const NOBODY: ConnectionObserver = { changed() {}, refused() {} };

export class RawConnection {
  readonly #redis: Redis;
  readonly #quietMs: number;
  readonly #observer: ConnectionObserver;
  #socket: Redis["stream"] | null = null;
  #id = 0;
  /** Why Redis refused what the line needs. */
  #refused: Error | null = null;
  #undoRetry: () => void = () => {};
  #waiting: Waiter[] = [];
  #opened = new Latch();

  /**
   * @param redis - one that speaks RESP 2 and is used by nobody else; its own timeouts hold until the line is open.
   * @param quietMs - how long the server may keep silent while an answer is due, in ms; then it counts as away.
   * @param observer - is told when it opens, is lost, or is refused.
   */
  constructor(redis: Redis, quietMs: number, observer: ConnectionObserver = NOBODY) {
    this.#redis = redis;
    this.#quietMs = quietMs;
    this.#observer = observer;
    redis.on("ready", () => this.#ask(redis.stream));
  }

  /** Whether batches can be sent. */
  get isOpen(): boolean {
    return this.#socket !== null;
  }

  /** The number that Redis gave the connection. */
  get id(): number {
    return this.#id;
  }

  /**
   * Waits until batches can be sent; connects where nobody has yet.
   *
   * @throws (rejects) what Redis said where it does not allow what a line needs, and the signal's reason.
   */
  async opened(signal: AbortSignal): Promise<void> {
    if (this.#redis.status === "wait") this.#redis.connect().then(undefined, () => undefined);
    while (!this.isOpen) {
      if (this.#refused !== null) throw this.#refused;
      await this.#opened.wait(signal);
    }
  }

  /**
   * @returns the replies, in order; an error that is Redis' answer to one command stands in its place.
   * @throws (rejects) Error when the connection is lost before all are answered, or is not there; what the server
   * refuses to all.
   */
  send(batch: CommandBatch): Promise<readonly Reply[]> {
    const socket = this.#socket;
    if (socket === null) return Promise.reject(new Error("the connection is not open"));
    if (batch.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ replies: [], size: batch.length, resolve, reject });
      socket.write(batch.encode());
    });
  }

  /** Drops the connection, with what is under way; another one is opened. */
  reconnect(): void {
    this.#redis.stream.destroy();
  }

  close(): void {
    this.#undoRetry();
    this.#redis.disconnect();
    this.#lost();
  }

  #ask(socket: Redis["stream"]): void {
    if (socket !== this.#redis.stream || socket.destroyed) return;
    // Behind its answer nothing is on the way that ioredis has asked for.
    this.#redis.client("ID").then(
      (id) => this.#take(socket, id),
      (error: Error) => this.#refuse(error, socket),
    );
  }

  #refuse(error: Error, socket: Redis["stream"]): void {
    if (!isAnswer(error)) {
      // Lost before the answer: another one is opened.
      socket.destroy();
      return;
    }
    this.#observer.refused(error);
    if (!isServerRefusal(error)) {
      this.#refused = error;
      this.#opened.set();
    }
    // One that is another connection's by then asks nothing.
    this.#undoRetry = systemClock.schedule(systemClock.now() + RETRY_MS, () => this.#ask(socket), false);
  }

  #take(socket: Redis["stream"], id: number): void {
    if (socket !== this.#redis.stream || socket.destroyed) return;
    this.#id = id;
    this.#refused = null;
    const others = socket.listeners("data");
    const decoder = new ReplyDecoder((reply) => this.#answer(reply));
    socket.on("data", (chunk: Buffer) => {
      try {
        decoder.write(chunk);
      } catch (error) {
        // The order of answers is lost with this one.
        socket.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    for (const other of others) socket.removeListener("data", other as () => void);
    socket.once("close", () => this.#lost());
    // One is left there, for the time to connect.
    socket.removeAllListeners("timeout");
    socket.on("timeout", () => {
      if (this.#waiting.length > 0) socket.destroy(new Error(`no answer within ${this.#quietMs} ms`));
    });
    socket.setTimeout(this.#quietMs);
    this.#socket = socket;
    this.#opened.set();
    this.#observer.changed();
  }

  #answer(reply: unknown): void {
    const [waiter] = this.#waiting;
    if (waiter === undefined) throw new Error("Redis answered what nobody had asked");
    waiter.replies.push(reply instanceof ReplyError ? [reply, null] : [null, reply]);
    if (waiter.replies.length < waiter.size) return;
    this.#waiting.shift();
    const away = unavailableError(waiter.replies);
    if (away === null) waiter.resolve(waiter.replies);
    else waiter.reject(away);
  }

  #lost(): void {
    if (this.#socket === null) return;
    this.#socket = null;
    this.#opened = new Latch();
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#observer.changed();
    for (const { reject } of waiting) reject(new Error("the connection was lost"));
  }
}

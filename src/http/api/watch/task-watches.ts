/**
 * Watches over HTTP: the events of a task as a stream of server-sent events. Nothing runs between two reads of the
 * client, so one that does not read costs nothing but its place, and there is a bound on places, in all and for one
 * client of the network. A comment each 15 s keeps the connection, and lets a client that is gone be noticed.
 */
import type { Context } from "hono";
import { abortable, type CancelScope, moveOnAfter, openRoot } from "../../../concurrency/index.ts";
import type { AskedBroker } from "../../../operations/limits/limited-broker.ts";
import { watchEventView } from "../../../operations/views/watch-event-view.ts";
import { UnknownTaskError, type WatchEvent, watchTask } from "../../../operations/watch/watch.ts";
import { printableJson } from "../../../task/text/printable-json.ts";
import { ApiError } from "../api-error.ts";
import type { PeerBindings } from "../guard/access.ts";
import { WatchPlaces } from "./watch-places.ts";

const MOST_WATCHES = 100;
/** For one client of the network. */
const MOST_FOR_ONE = 25;
const HEARTBEAT_MS = 15_000;

const HEADERS = { "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" };

export interface WatchLimits {
  readonly most?: number;
  /** For one client of the network. */
  readonly mostForOne?: number;
  readonly heartbeatMs?: number;
}

export class TaskWatches {
  readonly #signal: AbortSignal;
  readonly #places: WatchPlaces;
  readonly #heartbeatMs: number;

  /** @param signal - ends all watches when it aborts. */
  constructor(
    signal: AbortSignal,
    { most = MOST_WATCHES, mostForOne = MOST_FOR_ONE, heartbeatMs = HEARTBEAT_MS }: WatchLimits = {},
  ) {
    this.#signal = signal;
    this.#places = new WatchPlaces(most, mostForOne);
    this.#heartbeatMs = heartbeatMs;
  }

  /**
   * The answer to a request to watch.
   *
   * @param broker - as whoever asks sees it.
   * @throws (rejects) ApiError when too many watch already; UnknownTaskError.
   */
  async answer(context: Context<{ Bindings: PeerBindings }>, broker: AskedBroker, id: string): Promise<Response> {
    const leave = this.#take(context.env?.peer ?? "");
    const scope = openRoot({ signal: this.#signal });
    const events = watchTask(broker, id, scope);
    const stream = new EventStream(events, scope, leave, this.#heartbeatMs);
    try {
      await stream.begin();
    } catch (error) {
      await stream.end();
      throw error;
    }
    // HEAD is answered as GET, but nobody would read the body to its end.
    if (context.req.method === "HEAD") {
      await stream.end();
      return context.body(null, 200, HEADERS);
    }
    return context.body(stream.readable(), 200, HEADERS);
  }

  #take(peer: string): () => void {
    const taken = this.#places.take(peer);
    if (typeof taken === "function") return taken;
    const { count, isOfOne } = taken;
    const message = isOfOne
      ? `${count} watches of this client are open, which is the most that one can have`
      : `${count} watches are open, which is the most there can be`;
    throw new ApiError(429, "too_many_watches", message, { "Retry-After": "5" });
  }
}

type Step = IteratorResult<WatchEvent, unknown>;

class EventStream {
  readonly #events: AsyncGenerator<WatchEvent>;
  readonly #scope: CancelScope;
  readonly #leave: () => void;
  readonly #heartbeatMs: number;
  readonly #encoder = new TextEncoder();
  #next: Promise<Step> | null = null;
  #ended = false;

  constructor(events: AsyncGenerator<WatchEvent>, scope: CancelScope, leave: () => void, heartbeatMs: number) {
    this.#events = events;
    this.#scope = scope;
    this.#leave = leave;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Waits for the first event: from then on the answer is a stream, and no error can be one. */
  async begin(): Promise<void> {
    const first = await this.#events.next();
    this.#next = Promise.resolve(first);
  }

  readable(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const text = await this.#text();
          if (text === null) controller.close();
          else controller.enqueue(this.#encoder.encode(text));
        },
        cancel: () => this.end(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Gives everything back. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#scope.cancel("nobody watches any more");
    // The look that was under way ends with the scope, in whatever way.
    await this.#next?.then(nothing, nothing);
    await this.#events.return(undefined).then(nothing, nothing);
    this.#leave();
  }

  /** What comes next: an event, or a comment where none comes in time; null at the end. */
  async #text(): Promise<string | null> {
    try {
      this.#next ??= this.#events.next();
      const next = this.#next;
      const step = await moveOnAfter(this.#scope, this.#heartbeatMs, ({ signal }) => abortable(next, signal));
      if (step.cancelled) return ": still there\n\n";
      this.#next = null;
      if (!step.value.done) return textOf(step.value.value);
    } catch (error) {
      // The status is out; the stream ends without its `end`, and the client knows that it has not seen all.
      if (!(error instanceof UnknownTaskError) && !this.#scope.signal.aborted) {
        await this.end();
        throw error;
      }
    }
    await this.end();
    return null;
  }
}

function textOf(event: WatchEvent): string {
  const { kind, data } = watchEventView(event);
  return `event: ${kind}\ndata: ${printableJson(data)}\n\n`;
}

function nothing(): void {}

/**
 * One client that listens: a stream of server-sent events with a bound on what waits for it. One that reads too slowly
 * is told so, and its stream ends: it may come again, and go on where it was.
 */

/** What may wait for a client, in bytes. */
const MOST_WAITING = 256 * 1024;

export class Listener {
  readonly topics: ReadonlySet<string>;
  /** Those of which it was told nothing yet: it is told all of them first. */
  readonly fresh: Set<string>;
  readonly stream: ReadableStream<Uint8Array>;
  readonly #most: number;
  readonly #encoder = new TextEncoder();
  readonly #left: (listener: Listener) => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #hasEnded = false;

  /** @param left - called once, when it is gone, for whatever reason. */
  constructor(topics: ReadonlySet<string>, left: (listener: Listener) => void, mostWaiting = MOST_WAITING) {
    this.topics = topics;
    this.#most = mostWaiting;
    this.fresh = new Set(topics);
    this.#left = left;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => this.#end(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: mostWaiting }),
    );
  }

  send(text: string): void {
    if (this.#hasEnded || this.#controller === null) return;
    const bytes = this.#encoder.encode(text);
    const waiting = this.#most - (this.#controller.desiredSize ?? 0);
    // One that is longer than the bound goes to a client that has read all before it.
    if (waiting > 0 && waiting + bytes.byteLength > this.#most) {
      this.close("dropped", "it read too slowly: events were waiting for it beyond the bound");
      return;
    }
    this.#controller.enqueue(bytes);
  }

  /** Says why, and ends the stream. */
  close(event: string, reason: string): void {
    if (this.#hasEnded) return;
    this.#controller?.enqueue(this.#encoder.encode(`event: ${event}\ndata: ${JSON.stringify({ reason })}\n\n`));
    this.#controller?.close();
    this.#end();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#left(this);
  }
}

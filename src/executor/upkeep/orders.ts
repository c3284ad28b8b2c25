/**
 * The orders that somebody has left for this executor: quiet, resume, drain, resize. A beat brings the last one; one
 * that was left while it lives makes it beat at once. Each is done once, and the next beat tells its id.
 */
import { getLogger } from "@logtape/logtape";
import type { Broker } from "../../broker/broker.ts";
import { type ExecutorOrder, readOrder } from "../../broker/contract/orders.ts";
import { Latch, sleepForever, systemClock } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

/** What orders change. */
export interface Ordered {
  drain(reason: string): void;
  /** There are so many slots from now on, until a reload or a restart. */
  resize(slots: number): void;
}

export class Orders {
  readonly #ordered: Ordered;
  readonly #goOn: () => void;
  #isQuiet = false;
  #last: string | undefined;
  #news = new Latch();

  /** @param goOn - called where it may claim again. */
  constructor(ordered: Ordered, goOn: () => void) {
    this.#ordered = ordered;
    this.#goOn = goOn;
  }

  /** Hears of orders that are left, until the signal aborts. */
  async listen(broker: Pick<Broker, "onOrder">, signal: AbortSignal): Promise<never> {
    const stop = broker.onOrder(() => this.ring());
    try {
      return await sleepForever(signal);
    } finally {
      stop();
    }
  }

  /** Whether it claims nothing. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** The id of the last one that was done. */
  get last(): string | undefined {
    return this.#last;
  }

  /** One was left, or one was done that is to be told. */
  ring(): void {
    this.#news.set();
  }

  /** Waits so long, or until there is news. @returns whether there was. */
  async rest(ms: number, signal: AbortSignal): Promise<boolean> {
    const latch = this.#news;
    let isNews = true;
    const end = systemClock.schedule(systemClock.now() + ms, () => {
      isNews = latch.isSet;
      latch.set();
    });
    try {
      await latch.wait(signal);
    } finally {
      end();
    }
    this.#news = new Latch();
    return isNews;
  }

  /** Does what a beat has brought. @param self - as the beats of this process tell it. */
  take(json: string | null, self: { readonly pid: number; readonly bootAt: string }): void {
    const order = json === null ? null : readOrder(json);
    if (order === null || order.id === this.#last) return;
    // It was left for a process before this one.
    if (order.pid !== self.pid || order.boot_at !== self.bootAt) return;
    this.#last = order.id;
    this.#do(order);
    this.ring();
  }

  #do({ command, slots }: ExecutorOrder): void {
    logger.info("Ordered from outside: {command} {slots}", { command, slots: slots ?? "" });
    switch (command) {
      case "drain":
        this.#ordered.drain("ordered from outside");
        return;
      case "resize":
        if (slots !== undefined) this.#ordered.resize(slots);
        return;
      case "quiet":
      case "resume":
        this.#isQuiet = command === "quiet";
        if (!this.#isQuiet) this.#goOn();
    }
  }
}

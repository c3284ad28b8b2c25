/** The alerts of an executor: at the pace of its beats it takes a sample, goes through the rules, tells the fleet. */
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, sleep, withNursery } from "../../concurrency/index.ts";
import { AlertAnnouncer, type AlertTask } from "./announcer.ts";
import { type Alert, AlertBoard } from "./board.ts";
import { type SampleSource, takeSample } from "./samples.ts";

/** A lock of an alert outlives so many missed renewals. */
const HELD_TICKS = 4;

export interface AlertsOptions {
  readonly owner: string;
  /** Between two looks, in ms. */
  readonly everyMs: number;
  readonly told: () => AlertTask | null;
}

export class Alerts {
  readonly #source: SampleSource & { look(): Promise<void> };
  readonly #broker: Pick<Broker, "locks" | "enqueue" | "now">;
  readonly #everyMs: number;
  readonly #board = new AlertBoard();
  readonly #announcer: AlertAnnouncer;

  constructor(
    source: SampleSource & { look(): Promise<void> },
    broker: Pick<Broker, "locks" | "enqueue" | "now">,
    { owner, everyMs, told }: AlertsOptions,
  ) {
    this.#source = source;
    this.#broker = broker;
    this.#everyMs = everyMs;
    this.#announcer = new AlertAnnouncer(broker, { owner, holdMs: HELD_TICKS * everyMs, told });
  }

  /** Those that there are, the worst first. */
  get firing(): readonly Alert[] {
    return this.#board.firing;
  }

  /** Looks as long as `body` goes on. */
  beside(parent: CancelScope, body: (scope: CancelScope) => Promise<void>): Promise<void> {
    return withNursery(
      parent,
      async (nursery) => {
        nursery.startSoon(({ signal }) => this.run(signal), { name: "alerts" });
        await body(nursery.scope);
        nursery.scope.cancel("nothing is to be looked at any more");
      },
      { name: "alerts" },
    );
  }

  /** Looks until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(this.#everyMs, signal);
      await this.look(performance.now());
    }
  }

  /** One look. @param at - on the clock that only goes forward, in ms. */
  async look(at: number): Promise<void> {
    await this.#source.look();
    const now = this.#broker.now();
    const ended = this.#board.take(takeSample(this.#source, at, now), now);
    await this.#announcer.tell(this.#board.firing, ended, at);
  }
}

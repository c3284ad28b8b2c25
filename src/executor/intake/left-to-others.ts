/**
 * Foreign messages of a type that no executor of ours has, while an executor of another program lives, as RagFlow's: it
 * may run them, and it polls, so that our blocking reads would win each race. They are held here, with their leases,
 * until none of ours reads their streams for a while; then they go back, for the other one to take. What it leaves
 * comes to us again, and waits for the next such while.
 */
import { getLogger } from "@logtape/logtape";
import { untilAvailable } from "../../broker/availability.ts";
import type { Broker, Delivery } from "../../broker/broker.ts";
import { Latch, sleep } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

/** How many are held; further ones keep their slots until those have gone back. */
const MOST_HELD = 1_000;

export class LeftToOthers {
  readonly #broker: Pick<Broker, "others" | "release">;
  /** Told of how many have gone back. */
  readonly #left: (count: number) => void;
  #held: Delivery[] = [];
  /** Those that go back just now. */
  #going: readonly Delivery[] = [];
  #some = new Latch();
  #room = new Latch();

  constructor(broker: Pick<Broker, "others" | "release">, left: (count: number) => void) {
    this.#broker = broker;
    this.#left = left;
  }

  /** Whether a foreign message of this type is left to an executor of another program. */
  async leaves(type: string, signal: AbortSignal): Promise<boolean> {
    const { others } = this.#broker;
    if (others === undefined || !(await untilAvailable(() => others.mayRun(type), signal))) return false;
    while (this.#held.length >= MOST_HELD) {
      this.#room = new Latch();
      await this.#room.wait(signal);
    }
    return true;
  }

  add(delivery: Delivery): void {
    this.#held.push(delivery);
    this.#some.set();
  }

  deliveries(): readonly Delivery[] {
    return [...this.#held, ...this.#going];
  }

  /** Takes everything out that has not gone back. */
  takeAll(): Delivery[] {
    return this.#held.splice(0);
  }

  /** Gives them back whenever that is due, until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#some.wait(signal);
      this.#some = new Latch();
      while (this.#held.length > 0) await this.#giveBack(signal);
    }
  }

  async #giveBack(signal: AbortSignal): Promise<void> {
    const held = [...this.#held];
    const inMs = await untilAvailable(async () => (await this.#broker.others?.quietIn(held)) ?? 0, signal);
    await sleep(inMs, signal);
    const going = this.#held.splice(0);
    this.#going = going;
    await untilAvailable(() => this.#broker.release(going), signal);
    this.#going = [];
    this.#room.set();
    this.#left(going.length);
    logger.info("Left {count} task(s) to executors of another program: no executor of ours has their types", {
      count: going.length,
    });
  }
}

/**
 * For an executor that works off what is due and then leaves (`taskexe run --once`): whether anything is left. It is
 * asked while no claim is under way, in an order that misses nothing: what ran here has been recorded, so what it has
 * enqueued is there; then schedules, delays, orphans, and last the line itself. What others run is theirs.
 */
import { untilAvailable } from "../../broker/availability.ts";
import type { Broker, Delivery } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";
import type { Intake } from "../intake/intake.ts";
import type { ScheduleFiring } from "../upkeep/schedules.ts";

/** Between two looks at what runs here, in ms. */
const LOOK_MS = 50;
/** How many due tasks are queued in one go. */
const PROMOTED = 100;

type Line = Pick<Intake, "ready" | "take" | "mayHaveStrays">;

export interface WorkOffParts {
  readonly broker: Pick<Broker, "promote" | "reclaim" | "counts" | "paused" | "claim">;
  readonly running: Pick<RunningAttempts, "slots">;
  /** What holds deliveries that have ended and are not settled with the broker. */
  readonly unsettled: readonly { deliveries(): Iterable<Delivery> }[];
  readonly firing: Pick<ScheduleFiring, "look">;
  readonly concurrency: number;
}

export class WorkOff {
  readonly #parts: WorkOffParts;

  constructor(parts: WorkOffParts) {
    this.#parts = parts;
  }

  /** Waits until nothing runs here, nothing waits for a slot, and every outcome is recorded or handed back. */
  async quiet(intake: Line, signal: AbortSignal): Promise<void> {
    const { running, unsettled } = this.#parts;
    do await sleep(LOOK_MS, signal);
    while (running.slots > 0 || intake.ready().length > 0 || unsettled.some((one) => !isEmpty(one.deliveries())));
  }

  /**
   * Whether more is due. What was claimed to find that out waits for its slot in the intake. A broker that is away is
   * waited for.
   */
  async isMoreDue(intake: Line, signal: AbortSignal): Promise<boolean> {
    const { broker, firing, concurrency } = this.#parts;
    const ask = <T>(question: () => Promise<T>): Promise<T> => untilAvailable(question, signal);
    // A claim that was ended may have brought something at the last moment.
    if (intake.ready().length > 0 || intake.mayHaveStrays) return true;
    await ask(() => firing.look());
    const { promoted } = await ask(() => broker.promote(PROMOTED));
    if (promoted > 0) return true;
    const orphans = await ask(() => broker.reclaim(concurrency));
    if (orphans.length > 0) return taken(orphans, intake);
    const counts = await ask(() => broker.counts());
    if (counts.every(({ queued }) => queued === 0)) return false;
    if ((await ask(() => broker.paused())).length === 0) return true;
    // What is paused is counted, too, and no claim gives it.
    const claimed = await ask(() => broker.claim(concurrency, signal));
    return claimed.length > 0 && taken(claimed, intake);
  }
}

function taken(deliveries: readonly Delivery[], intake: Line): true {
  intake.take(deliveries);
  return true;
}

function isEmpty(some: Iterable<unknown>): boolean {
  for (const _one of some) return false;
  return true;
}

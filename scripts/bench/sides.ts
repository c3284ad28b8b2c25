/** A side of the comparison "who empties a full queue faster". */
import type { QueueSight } from "./drain.ts";
import type { Running } from "./processes.ts";

/** What stays of a task that is done: nothing, or its record, as long as the side keeps it when nobody says. */
export type DoneTasks = "removed" | "kept";

/** One run of one side. */
export interface ConsumeSample {
  /** How many tasks were done while the clock ran: all but the first part (drain.ts). */
  readonly tasks: number;
  readonly seconds: number;
  /** Tasks a second over all of them, the first part included. */
  readonly coldRate: number;
  /** CPU time of each watched process in that time, in ms, by name; the consumer's is `consumer`. */
  readonly cpuMs: Readonly<Record<string, number>>;
  /** Resident memory of the consumer at the end, in bytes; NaN where it had ended. */
  readonly rssBytes: number;
}

/** A side, however it is measured. */
export interface ConsumeSide {
  readonly name: string;
  /** What a crash of the process or a power cut would lose. */
  readonly durability: string;
  measure(concurrency: number, quick: boolean): Promise<ConsumeSample>;
  /** Gives back what the side holds in this process. */
  close(): Promise<void>;
}

/** A side whose queue others can see: it is filled, started and watched from outside (watched.ts). */
export interface WatchedSide {
  readonly name: string;
  readonly durability: string;
  /** How many tasks one run takes at this concurrency: enough for seconds where the side is fast. */
  tasks(concurrency: number, quick: boolean): number;
  /** Empties everything and puts so many tasks in. */
  fill(count: number): Promise<void>;
  /** Starts the consumer, a process of its own; it begins at once. */
  consume(concurrency: number, count: number): Promise<Running>;
  /** One look at the queue. */
  look(count: number): Promise<QueueSight>;
  /** Throws when not every task was completed, as far as the side can tell; called before the consumer is stopped. */
  verify(count: number): Promise<void>;
  close(): Promise<void>;
}

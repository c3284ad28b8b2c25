/** A side of the comparison "who empties a full queue faster": filled, started and watched in the same way. */

import type { QueueSight } from "./drain.ts";
import type { Running } from "./processes.ts";

export interface ConsumeSide {
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
  /** Gives back what the side holds in this process. */
  close(): Promise<void>;
}

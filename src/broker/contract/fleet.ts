/**
 * The contract's part for the fleet: each executor tells that it lives, sees the others, and takes its turn to remove
 * what is over.
 */
import type { Heartbeat } from "./heartbeat.ts";

/** Another executor's last heartbeat. `beat` is null where it is missing or is not a JSON object. */
export interface FleetMember {
  readonly name: string;
  /** Unix ms; null without a beat. */
  readonly at: number | null;
  readonly beat: Heartbeat | null;
}

export interface CleanReport {
  /** Names removed from the fleet: their last beat was older than the timeout. */
  readonly removed: readonly string[];
  /** Records and dead tasks removed since their time was over or there were too many. */
  readonly purged: number;
  /** Queues that are gone: nothing was in them, and nobody had used them for a day. Absent: none is kept then. */
  readonly dropped?: readonly string[];
  /** Null: it cannot be told. Absent: such a thing cannot be. */
  readonly vanished?: Vanished | null;
}

/** What one step of the removal did. */
export interface Removal {
  /** How many records are gone. */
  readonly removed: number;
  /** Whether the next step has something to do at once. */
  readonly more: boolean;
}

/** Tasks that say that they wait, and that nothing holds: a retry, or an enqueue of the same id, queues one again. */
export interface Vanished {
  readonly count: number;
  /** The first ten at the most. */
  readonly ids: readonly string[];
  /** Unix ms on the broker's clock. */
  readonly countedAt: number;
}

/** What follows a task of a type that is cancelled while it waits; a client that cancels it does not know its type. */
export interface OnCancelled {
  /** "": any that says nothing else. */
  readonly type: string;
  /** The type of what follows; null: nothing does. */
  readonly follower: string | null;
}

/** Of so many types a broker knows what follows: what is told beyond that is not kept. */
export const MOST_ON_CANCELLED = 10_000;

export interface Fleet {
  /** Has whoever cancels a waiting task enqueue what follows that. What was told of other types stays. */
  tellOnCancelled(told: readonly OnCancelled[]): Promise<void>;
  /**
   * Registers the executor (again) and stores its beat: JSON of the shape that RagFlow's readers expect.
   *
   * @param isDue - false: it is there until the next one comes, of either kind. Default true: it stays in the series.
   * @param kept - what stays of one that was due, once the next one has come. Default: the whole.
   * @returns the order that is there for this executor, as it was left; null: none is.
   */
  beat(json: string, isDue?: boolean, kept?: string): Promise<string | null>;
  /** Leaves an order for the executor of that name, in the place of the one before; it is there for `ORDER_MS`. */
  order(name: string, json: string): Promise<void>;
  /** Calls the listener when an order is left for us, for the next beat to bring it; returns what undoes it. */
  onOrder(listener: () => void): () => void;
  /** The last beat out: the executor leaves the fleet. `json` is stored as the last beat before it does. */
  leave(json: string): Promise<void>;
  /**
   * All executors that are registered, ours too: their beats without the tasks that they run (`current`, `started`),
   * whose number stands in `slots_taken`.
   */
  fleet(): Promise<FleetMember[]>;
  /** One of them, whose beat says when its tasks began; null where none of that name is registered. */
  member(name: string): Promise<FleetMember | null>;
  /** Takes the clean-up lock for 60 s; false where somebody else has it. */
  lock(): Promise<boolean>;
  /** Gives the clean-up lock back, if it is still ours. */
  unlock(): Promise<void>;
  /** To be called under the lock: trims heartbeats, expels the dead, removes what is over. Bounded work. */
  clean(): Promise<CleanReport>;
  /**
   * One step of the removal of what is over: records whose time has come or that are too many, and what is left over of
   * keys and cancels. Bounded work of some ms; it needs no lock.
   */
  removeEnded(): Promise<Removal>;
}

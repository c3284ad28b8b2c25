/**
 * What watches read, once for all of a process: five times a second one call asks how all watched tasks stand, and only
 * of those that have changed anything is read. Watches of one task share each reading. Nothing is held once nobody
 * watches.
 */

import type { Broker } from "../../broker/broker.ts";
import type { LogTail, TaskGlance } from "../../broker/contract/admin.ts";
import { abortable, type CancelScope, openRoot, sleep } from "../../concurrency/index.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import type { WaitingBroker } from "./waiting.ts";

/** Between two looks, in ms. */
const LOOK_MS = 200;
/** How many tasks one call of the broker asks for. */
const BATCH = 1_000;

/** How old what is told of the fleet may be, in ms. */
const FLEET_AGE_MS = 1_500;

type Watched = Pick<Broker, "glance" | "record" | "logsAfter"> & WaitingBroker;
/** The part of a broker that watches need. */
export type WatchedBroker = Watched & Pick<Broker, "url" | "connection">;

/** One look at all that are watched, shared by those who wait for it. */
interface Look {
  readonly scope: CancelScope;
  readonly ids: Set<string>;
  readonly seen: Promise<ReadonlyMap<string, TaskGlance>>;
  waiting: number;
}

const readers = new WeakMap<Watched, WatchReader>();

/** That of a broker. */
export function readerOf(broker: Watched): WatchReader {
  let reader = readers.get(broker);
  if (reader === undefined) {
    reader = new WatchReader(broker);
    readers.set(broker, reader);
  }
  return reader;
}

export class WatchReader {
  readonly #broker: Watched;
  #watches = 0;
  #look: Look | null = null;
  #known: ReadonlyMap<string, TaskGlance> = new Map();
  /** What has been read since the last look, by what it is. */
  readonly #read = new Map<string, Promise<unknown>>();
  /** The same of the fleet, until it is too old. */
  readonly #facts = new Map<string, { readonly at: number; readonly read: Promise<unknown> }>();
  /** What is paused and who is in the fleet, asked once for all that watch. */
  readonly fleet: WaitingBroker;

  constructor(broker: Watched) {
    this.#broker = broker;
    this.fleet = {
      now: () => broker.now(),
      paused: () => this.#recent("paused", () => broker.paused()),
      fleet: () => this.#recent("fleet", () => broker.fleet()),
    };
  }

  /** A watch begins; gives what ends it. */
  enter(): () => void {
    this.#watches++;
    return () => {
      this.#watches--;
      if (this.#watches > 0) return;
      this.#known = new Map();
      this.#read.clear();
      this.#facts.clear();
    };
  }

  /** How a task stands now; null where it has no record. */
  async now(id: string): Promise<TaskGlance | null> {
    const [glance] = await this.#broker.glance([{ id, seen: null }]);
    return glance === undefined || glance === "same" ? null : glance;
  }

  /** The same with the next look. @throws (rejects) the signal's reason; what the broker throws. */
  async next(id: string, signal: AbortSignal): Promise<TaskGlance | null> {
    signal.throwIfAborted();
    this.#look ??= this.#begin();
    const look = this.#look;
    look.ids.add(id);
    look.waiting++;
    try {
      return (await abortable(look.seen, signal)).get(id) ?? null;
    } finally {
      look.waiting--;
      if (look.waiting === 0) {
        look.scope.cancel("nobody waits for this look");
        if (this.#look === look) this.#look = null;
      }
    }
  }

  record(id: string, glance: TaskGlance): Promise<TaskRecord | null> {
    return this.#shared(`record ${glance.record} ${id}`, () => this.#broker.record(id));
  }

  logsAfter(id: string, after: number, glance: TaskGlance): Promise<LogTail> {
    return this.#shared(`log ${after} ${glance.seen} ${id}`, () => this.#broker.logsAfter(id, after));
  }

  async #shared<T>(key: string, read: () => Promise<T>): Promise<T> {
    const known = this.#read.get(key);
    // The key says what is read.
    if (known !== undefined) return known as Promise<T>;
    const reading = read();
    this.#read.set(key, reading);
    try {
      return await reading;
    } catch (error) {
      this.#read.delete(key);
      throw error;
    }
  }

  async #recent<T>(name: string, read: () => Promise<T>): Promise<T> {
    const known = this.#facts.get(name);
    // The name says what is read.
    if (known !== undefined && performance.now() - known.at < FLEET_AGE_MS) return known.read as Promise<T>;
    const fact = { at: performance.now(), read: read() };
    this.#facts.set(name, fact);
    try {
      return await fact.read;
    } catch (error) {
      if (this.#facts.get(name) === fact) this.#facts.delete(name);
      throw error;
    }
  }

  #begin(): Look {
    const scope = openRoot();
    const ids = new Set<string>();
    const seen = this.#seen(ids, scope.signal);
    // Those who have left do not hear of it.
    seen.catch(() => {});
    return { scope, ids, seen, waiting: 0 };
  }

  async #seen(ids: ReadonlySet<string>, signal: AbortSignal): Promise<ReadonlyMap<string, TaskGlance>> {
    await sleep(LOOK_MS, signal);
    this.#look = null;
    this.#read.clear();
    const glances = new Map<string, TaskGlance>();
    const all = [...ids];
    for (let from = 0; from < all.length; from += BATCH) {
      const some = all.slice(from, from + BATCH).map((id) => ({ id, seen: this.#known.get(id)?.seen ?? null }));
      const answers = await this.#broker.glance(some);
      for (const [index, { id }] of some.entries()) {
        const answer = answers[index];
        const glance = answer === "same" ? this.#known.get(id) : answer;
        if (glance) glances.set(id, glance);
      }
    }
    this.#known = glances;
    return glances;
  }
}

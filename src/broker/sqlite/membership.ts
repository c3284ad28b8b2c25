/**
 * What one executor does in the fleet under its own name: its beats, each in the place of the last, the clean-up lock,
 * and the registration in another file that came into the place of the first. A client has no name and may do none of
 * it. What is read of others is in fleet.ts.
 */
import { BeatSeries } from "../fleet-beats.ts";
import type { Store } from "./file/store.ts";
import { beat, leave, lock, unlock } from "./fleet.ts";

export class SqliteMembership {
  readonly #store: Store;
  readonly #name: string | null;
  readonly #now: () => number;
  readonly #beats = new BeatSeries();
  /** The last beat, for another file than the one that has it. */
  #lastBeat: string | null = null;

  /** @param name - null for a client. */
  constructor(store: Store, name: string | null, now: () => number) {
    this.#store = store;
    this.#name = name;
    this.#now = now;
  }

  /** @throws TypeError for a client. */
  get name(): string {
    if (this.#name === null) throw new TypeError("this broker was opened for a client: it is no executor");
    return this.#name;
  }

  /** @param kept - what stays of it once the next one comes, where `isDue`; else nothing stays. */
  async beat(json: string, isDue: boolean, kept: string): Promise<string | null> {
    this.#lastBeat = json;
    const replaced = this.#beats.next({ json, at: this.#now(), kept: isDue ? kept : null });
    const order = await beat(this.#store, this.name, json, replaced);
    this.#beats.answered();
    return order;
  }

  leave(json: string): Promise<void> {
    return leave(this.#store, this.name, json, this.#beats.last());
  }

  lock(): Promise<boolean> {
    return lock(this.#store, this.name);
  }

  unlock(): Promise<void> {
    return unlock(this.#store, this.name);
  }

  /** Nobody in another file knows us, and the next beat is far away. */
  registerAgain(): void {
    // Where it fails the next beat does it.
    if (this.#name !== null && this.#lastBeat !== null) {
      beat(this.#store, this.#name, this.#lastBeat, []).then(undefined, () => undefined);
    }
  }
}

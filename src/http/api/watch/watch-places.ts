/**
 * The places for watches: so many in all, and of those so many for one client of the network, so that one that takes
 * all it can get leaves some to the others. This machine's clients are one address, and only the whole bounds them.
 */
import { clientOf } from "../../client-of.ts";
import { isLocal } from "../../ip-loopback.ts";

/** No place is free: how many are taken, and whether by this one client. */
export interface Taken {
  readonly count: number;
  readonly isOfOne: boolean;
}

export class WatchPlaces {
  readonly #most: number;
  readonly #mostForOne: number;
  /** By client; what has none is not in it. */
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(most: number, mostForOne: number) {
    this.#most = most;
    this.#mostForOne = mostForOne;
  }

  /** Takes a place for the client at an address; gives what leaves it, once. */
  take(peer: string): (() => void) | Taken {
    const client = clientOf(peer);
    const count = this.#counts.get(client) ?? 0;
    if (this.#total >= this.#most) return { count: this.#total, isOfOne: false };
    if (!isLocal(peer) && count >= this.#mostForOne) return { count, isOfOne: true };
    this.#counts.set(client, count + 1);
    this.#total++;
    return () => this.#leave(client);
  }

  #leave(client: string): void {
    const left = (this.#counts.get(client) ?? 1) - 1;
    if (left === 0) this.#counts.delete(client);
    else this.#counts.set(client, left);
    this.#total--;
  }
}

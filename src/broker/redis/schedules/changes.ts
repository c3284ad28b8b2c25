/**
 * Changes of schedules that are asked for in one turn of the event loop travel in one script: thousands may be due in
 * one second, and a call for each would cost more than what it does. Each still stands for itself: what is wrong with
 * one is told to whoever asked for that one.
 */
import { checkpoint } from "../../../concurrency/index.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { type ChangeArguments, changeSchedules } from "../scripts/change-schedules.ts";

/** How many one script makes, about 2 ms, and of how many characters: payloads may be long. */
const MOST = 25;
const MOST_CHARACTERS = 100_000;
/** What stands in the answer for one that failed. */
const FAILED = -1;
/** A signal that never aborts: a turn is over at once. */
const NEVER = new AbortController().signal;

interface Batch {
  readonly changes: ChangeArguments[];
  characters: number;
  readonly replies: Promise<readonly unknown[]>;
}

export class ScheduleChanges {
  readonly #connections: RedisConnections;
  /** Those of this turn; null: there are none yet. */
  #batch: Batch | null = null;

  constructor(connections: RedisConnections) {
    this.#connections = connections;
  }

  /** Makes it. Gives what the script answers of it. @throws (rejects) what Redis says of this one. */
  async change(change: ChangeArguments): Promise<readonly unknown[]> {
    const batch = this.#batch ?? this.#begin();
    const index = batch.changes.push(change) - 1;
    for (const each of change) batch.characters += String(each).length;
    if (batch.changes.length >= MOST || batch.characters >= MOST_CHARACTERS) this.#batch = null;
    const reply = (await batch.replies)[index];
    // Alone it fails with its own reason.
    const own = isList(reply) && reply[0] === FAILED ? (await this.#make([change]))[0] : reply;
    if (!isList(own)) throw new TypeError("the script that changes schedules gave no list");
    return own;
  }

  #begin(): Batch {
    const changes: ChangeArguments[] = [];
    const batch = { changes, characters: 0, replies: this.#atEndOfTurn(changes) };
    this.#batch = batch;
    return batch;
  }

  async #atEndOfTurn(changes: readonly ChangeArguments[]): Promise<readonly unknown[]> {
    await checkpoint(NEVER);
    if (this.#batch?.changes === changes) this.#batch = null;
    return this.#make(changes);
  }

  #make(changes: readonly ChangeArguments[]): Promise<readonly unknown[]> {
    return this.#connections.run((redis) => changeSchedules(redis, changes));
  }
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/**
 * Finds tasks that have no record: what other programs have queued, and what keeps none. Each stands in its stream
 * alone, so that is looked through: what is pending, then what waits. How much one look reads is bounded, and where it
 * gave up it says so. Nothing is written for it, and the hot path does not know of it.
 */
import { parseMessage } from "../../../task/message/message.ts";
import type { TaskRecord } from "../../../task/record/record.ts";
import type { Looked } from "../../contract/producer.ts";
import type { TaskStarts } from "../claims/task-starts.ts";
import { voidAmong } from "../claims/void-entries.ts";
import type { RedisConnections } from "../connection/connections.ts";
import type { PendingEntry } from "../connection/replies.ts";
import { BARE } from "../records/listing.ts";
import { readEntryStates } from "../records/task-records.ts";
import { findEntries } from "../scripts/find.ts";
import type { StreamName } from "../streams.ts";

/** How many entries one look goes through, of all streams together: a fifth of a second of Redis' time at the most. */
const MOST_PENDING = 20_000;
const MOST_WAITING = 100_000;

/** A task in its stream. */
export interface Place {
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
  readonly stream: StreamName;
  readonly entry: string;
  readonly message: string;
  /** Null: it waits. */
  readonly holder: PendingEntry | null;
}

export interface FoundPlaces {
  readonly places: ReadonlyMap<string, Place>;
  /** How many waiting tasks were looked at where there were more; null: all were. */
  readonly gaveUpAfter: number | null;
}

type Kind = "waiting" | "pending";

/** One look for some ids. */
interface Search {
  readonly left: Set<string>;
  readonly places: Map<string, Place>;
  looked: number;
}

export class RedisFinder {
  readonly #connections: RedisConnections;
  readonly #starts: TaskStarts;
  readonly #streams: readonly StreamName[];
  /** By stream, behind which entry the last look for many found its last one: whoever cancels many goes on there. */
  readonly #foundLast = new Map<string, string>();

  /** @param streams - urgent first. */
  constructor(connections: RedisConnections, starts: TaskStarts, streams: readonly StreamName[]) {
    this.#connections = connections;
    this.#starts = starts;
    this.#streams = streams;
  }

  /** As LookFor. */
  async record(id: string): Promise<Looked> {
    const { places, gaveUpAfter } = await this.find([id]);
    const place = places.get(id);
    return { record: place === undefined ? null : await this.#recordOf(place), gaveUpAfter };
  }

  /** Where these tasks stand. @param ids - at most 1 000. */
  async find(ids: readonly string[]): Promise<FoundPlaces> {
    const search: Search = { left: new Set(ids), places: new Map(), looked: 0 };
    await this.#lookThrough("pending", search);
    const isWhole = await this.#lookThrough("waiting", search);
    const gaveUpAfter = isWhole ? null : search.looked;
    // One that was claimed between the two is pending by now.
    await this.#lookThrough("pending", search);
    return { places: search.places, gaveUpAfter };
  }

  /** @returns whether all was looked through that had to be. */
  async #lookThrough(kind: Kind, search: Search): Promise<boolean> {
    const most = kind === "pending" ? MOST_PENDING : MOST_WAITING;
    search.looked = 0;
    for (const stream of this.#streams) {
      const isMany = kind === "waiting" && search.left.size > 1;
      const from = (isMany && this.#foundLast.get(stream.key)) || "";
      const isWhole = await this.#walk({ kind, stream, from, most }, search);
      // What stands before the place where it began.
      if (from !== "" && search.left.size > 0) {
        if (!(await this.#walk({ kind, stream, from: "", most }, search))) return false;
      } else if (!isWhole) return false;
    }
    return true;
  }

  async #walk(
    { kind, stream, from, most }: { readonly kind: Kind; stream: StreamName; from: string; most: number },
    search: Search,
  ): Promise<boolean> {
    let after: string | null = from;
    while (after !== null && search.left.size > 0) {
      if (search.looked >= most) return false;
      const look = { kind, stream: stream.key, after, most: most - search.looked };
      const { entries, looked, next } = await findEntries(this.#connections, look, [...search.left]);
      search.looked += looked;
      await this.#take(kind, stream, entries, search);
      after = next;
    }
    return true;
  }

  /** Takes those of the candidates that are of a task which is looked for. */
  async #take(kind: Kind, stream: StreamName, entries: readonly string[], search: Search): Promise<void> {
    if (entries.length === 0) return;
    const voids = await voidAmong(this.#connections, stream.key, entries);
    const states = await readEntryStates(
      this.#connections,
      entries.map((entry) => ({ stream: stream.key, entry })),
    );
    for (const [index, entry] of entries.entries()) {
      const { message = null, holder = null } = states[index] ?? {};
      if (message === null || voids.has(entry) || (kind === "pending" && holder === null)) continue;
      const parsed = parseMessage(message);
      if (!parsed.ok || !search.left.delete(parsed.message.id)) continue;
      const { id, type, options } = parsed.message;
      search.places.set(id, { id, type, attempt: options.attempt ?? 1, stream, entry, message, holder });
      if (kind === "waiting") this.#foundLast.set(stream.key, entry);
    }
  }

  async #recordOf({ id, type, attempt, stream, entry, message, holder }: Place): Promise<TaskRecord> {
    const { queue, priority } = stream;
    const place = { ...BARE, id, type, queue, priority, message, enqueued_at: Number(entry.split("-")[0]) };
    if (holder === null) return { ...place, state: "queued", attempt: 0, executor: null };
    const started_at = await this.#starts.of(id, holder, null);
    return { ...place, state: "running", attempt, executor: holder.consumer, started_at };
  }
}

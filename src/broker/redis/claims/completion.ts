/**
 * Ends attempts, in one write for the whole batch. The fast way, while every lease is surely fresh (nobody can have
 * taken one that the owner renewed in time): XDEL and XACK with many ids, no question asked, and one script for the
 * plain ends that keep a record. Whatever else there is to write goes through the script of end-script.ts, which also
 * asks whose the entry is: after a stall, a lost reply, a group that was made anew, or for a dead task.
 */
import type { CompletionResult, Outcome } from "../../broker.ts";
import { outcomeProblem } from "../../check-outcomes.ts";
import { GIVEN_UP, isFresh, type LeaseStamp, stampLease } from "../../lease-stamp.ts";
import { type CommandBatch, encodeIds } from "../connection/command-batch.ts";
import type { RedisConnections } from "../connection/connections.ts";
import type { Doubt } from "../connection/doubt.ts";
import type { Reply } from "../connection/raw-connection.ts";
import { ReplyError } from "../connection/reply-decoder.ts";
import type { WriteCoalescer } from "../connection/write-coalescer.ts";
import { GROUP, LEFT_ENTRIES_KEY, LOG_PREFIX, RECORD_PREFIX, UNIQUE_PREFIX } from "../keys.ts";
import { readHeads } from "../records/read-records.ts";
import { END_CHUNK, END_FOLLOWED_SCRIPT, END_SCRIPT, endArguments } from "../scripts/end.ts";
import { END_LAST, SETTLE } from "../scripts/leave-stream.ts";
import { isUnknownScript, plainAnswer, type ScriptCall } from "../scripts/lua.ts";
import { ownDelivery, type RedisDelivery } from "./delivery.ts";
import { isKeptDone, type KeptDone, keepDoneCalls, LAST_AT } from "./done-records.ts";
import type { LastDelivered } from "./last-delivered.ts";
import { hasNothingToTell, outcomeCommands } from "./outcome-commands.ts";

interface Entry {
  readonly outcome: Outcome;
  readonly delivery: RedisDelivery;
  /** Where it stands in its batch. */
  readonly index: number;
  /** Whether Redis must be asked first whose it is. */
  readonly fenced: boolean;
}

/** A part of the write: what it adds, and what it makes of the replies to that. */
interface Part {
  add(batch: CommandBatch): void;
  read(replies: readonly Reply[]): Promise<void>;
}

export class RedisCompletion {
  readonly #connections: RedisConnections;
  readonly #wire: WriteCoalescer;
  readonly #executor: string;
  readonly #leaseMs: number;
  readonly #doubt: Doubt;
  readonly #last: LastDelivered;
  readonly #now: () => number;
  /** Entries whose completion was sent, but whose reply never came: the next call must ask. */
  readonly #doubtful = new WeakSet<RedisDelivery>();
  /**
   * What became of those of a batch that is asked for again, since others wait until a key that all share is mended.
   */
  readonly #settled = new Map<RedisDelivery, CompletionResult>();

  constructor(parts: {
    readonly connections: RedisConnections;
    readonly wire: WriteCoalescer;
    readonly executor: string;
    readonly leaseMs: number;
    readonly doubt: Doubt;
    readonly last: LastDelivered;
    readonly now: () => number;
  }) {
    this.#connections = parts.connections;
    this.#wire = parts.wire;
    this.#executor = parts.executor;
    this.#leaseMs = parts.leaseMs;
    this.#doubt = parts.doubt;
    this.#last = parts.last;
    this.#now = parts.now;
  }

  async complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
    const stamp = stampLease();
    const results: CompletionResult[] = [];
    const entries: Entry[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const refused = outcomeProblem(outcome);
      const delivery = ownDelivery(outcome.delivery);
      const settled = this.#settled.size > 0 ? this.#settled.get(delivery) : undefined;
      results.push(settled ?? (refused === null ? "recorded" : { refused }));
      if (settled !== undefined || refused !== null) continue;
      entries.push({ outcome, delivery, index, fenced: this.#needsFence(outcome, delivery, stamp) });
    }
    const parts = this.#partsOf(entries, results);
    try {
      const ends: number[] = [];
      const replies = await this.#wire.sendAlong((batch) => {
        const before = batch.length;
        for (const part of parts) {
          part.add(batch);
          ends.push(batch.length - before);
        }
      });
      for (const [at, part] of parts.entries()) await part.read(replies.slice(ends[at - 1] ?? 0, ends[at]));
    } catch (error) {
      // It may have been carried out, all or in part: asked again, only an entry that is still ours may be ended.
      for (const { delivery } of entries) this.#doubtful.add(delivery);
      throw error;
    }
    for (const { delivery, index } of entries) if (results[index] === "recorded") delivery.lease = GIVEN_UP;
    this.#mustNotBeBlocked(entries, results);
    if (this.#settled.size > 0) for (const { delivery } of outcomes) this.#settled.delete(ownDelivery(delivery));
    return results;
  }

  /**
   * Where a key is of another type that all tasks share, no end of its kind can be recorded, and none is given up for
   * that.
   *
   * @throws what Redis said; the same outcomes may be sent again.
   */
  #mustNotBeBlocked(entries: readonly Entry[], results: readonly CompletionResult[]): void {
    const refused = results.filter((result) => typeof result === "object").map((result) => result.refused);
    const blocking = refused.find((reason) => reason.startsWith("WRONGTYPE") && !isOfOneTask(reason));
    if (blocking === undefined) return;
    for (const { delivery, index } of entries) {
      const result = results[index];
      if (result === "recorded" || result === "lost") this.#settled.set(delivery, result);
    }
    throw new ReplyError(blocking);
  }

  #needsFence(outcome: Outcome, delivery: RedisDelivery, now: LeaseStamp): boolean {
    if (outcome.kind === "dead" || this.#doubt.isOn) return true;
    return !isFresh(delivery.lease, this.#leaseMs, now) || this.#doubtful.has(delivery);
  }

  #partsOf(entries: readonly Entry[], results: CompletionResult[]): Part[] {
    const place = { executor: this.#executor, now: this.#now() };
    const hot: Entry[] = [];
    const kept: (Entry & KeptDone)[] = [];
    const told: Entry[] = [];
    for (const entry of entries) {
      if (entry.fenced) told.push(entry);
      else if (hasNothingToTell(entry.outcome)) hot.push(entry);
      else if (isKeptDone(entry)) kept.push(entry);
      else told.push(entry);
    }
    const parts: Part[] = [];
    for (const { call, entries: those } of keepDoneCalls(kept, place, this.#last))
      parts.push(this.#keepPart(call, those, results));
    for (const [stream, all] of Map.groupBy(told, ({ delivery }) => delivery.stream)) {
      for (let at = 0; at < all.length; at += END_CHUNK) {
        parts.push(this.#endPart(stream, all.slice(at, at + END_CHUNK), place, results));
      }
    }
    for (const [stream, all] of Map.groupBy(hot, ({ delivery }) => delivery.stream)) {
      parts.push(this.#hotPart(stream, all));
    }
    return parts;
  }

  /**
   * The end of entries alone: no transaction, since one that is deleted and not acknowledged yet is nobody's to run.
   * The one of them that may be the last delivered needs a look at the group, and so does what was left before it.
   */
  #hotPart(stream: string, entries: readonly Entry[]): Part {
    const ids = entries.map(({ delivery }) => delivery.entry);
    const last = this.#last.lastAmong(stream, ids);
    const rest = last === null ? ids : ids.filter((id) => id !== last);
    let look: ScriptCall | null = null;
    if (last !== null) look = { script: END_LAST, args: [END_LAST.keys, stream, LEFT_ENTRIES_KEY, last] };
    else if (this.#last.mayHaveLeft(stream)) {
      look = { script: SETTLE, args: [SETTLE.keys, LEFT_ENTRIES_KEY, stream] };
    }
    const looked = look && this.#scriptPart(look, async (reply) => this.#last.settled(stream, reply.length > 0));
    return {
      add(batch) {
        if (rest.length > 0) {
          const gone = encodeIds(rest);
          batch.add(["XDEL", stream], gone);
          batch.add(["XACK", stream, GROUP], gone);
        }
        looked?.add(batch);
      },
      read: async (replies) => {
        const error = replies.slice(0, rest.length > 0 ? 2 : 0).find(([each]) => each !== null)?.[0];
        if (error) throw new ReplyError(`${error.message}: ${stream}`);
        await looked?.read(replies.slice(-1));
      },
    };
  }

  #keepPart(call: ScriptCall, entries: readonly Entry[], results: CompletionResult[]): Part {
    const { stream = "" } = entries[0]?.delivery ?? {};
    if (call.args[LAST_AT] !== "") this.#last.mayLeave(stream);
    return this.#scriptPart(call, async (refused) => {
      for (let at = 0; at + 1 < refused.length; at += 2) {
        const index = entries[Number(refused[at]) - 1]?.index;
        if (index !== undefined) results[index] = { refused: plainAnswer(String(refused[at + 1])) };
      }
    });
  }

  #endPart(
    stream: string,
    entries: readonly Entry[],
    place: { readonly executor: string; readonly now: number },
    results: CompletionResult[],
  ): Part {
    const ends = entries.map(({ outcome, delivery, index, fenced }) => {
      const steps = outcomeCommands(outcome, delivery, { ...place, index });
      return { entry: delivery.entry, fenced, id: outcome.id, steps };
    });
    if (
      this.#last.lastAmong(
        stream,
        ends.map(({ entry }) => entry),
      ) !== null
    )
      this.#last.mayLeave(stream);
    const script = entries.some(({ outcome }) => outcome.followUp !== undefined) ? END_FOLLOWED_SCRIPT : END_SCRIPT;
    const call = { script, args: endArguments(stream, this.#executor, this.#doubt.isOn, ends) };
    return this.#scriptPart(call, async (answers) => {
      for (const [at, entry] of entries.entries()) {
        const answer = answers[at];
        if (typeof answer === "string") results[entry.index] = { refused: plainAnswer(answer) };
        else if (answer !== 1 && !(await this.#wasEndedByUs(entry))) results[entry.index] = "lost";
      }
    });
  }

  #scriptPart({ script: { sha, lua }, args }: ScriptCall, take: (reply: readonly unknown[]) => Promise<void>): Part {
    return {
      add: (batch) => batch.add(["EVALSHA", sha, ...args]),
      read: async ([answer]) => {
        const [error, reply] = answer ?? [null, null];
        if (error !== null && !isUnknownScript(error)) throw new ReplyError(plainAnswer(error.message));
        // Called whole, where Redis has forgotten it: it then knows it again.
        const list = error === null ? reply : await this.#connections.run((redis) => redis.call("EVAL", lua, ...args));
        await take(Array.isArray(list) ? list : []);
      },
    };
  }

  /** After a lost reply: the entry is gone. It was us, unless a record names another executor or another end. */
  async #wasEndedByUs({ outcome, delivery }: Entry): Promise<boolean> {
    if (!this.#doubtful.has(delivery)) return false;
    return this.#connections.run(async (redis) => {
      const { stream, entry } = delivery;
      const [pending, there] = await Promise.all([
        redis.xpending(stream, GROUP, entry, entry, 1).catch(emptyWithoutGroup),
        redis.xrange(stream, entry, entry),
      ]);
      if (pending.length > 0 || there.length > 0) return false;
      const [record] = await readHeads(this.#connections, [outcome.id]);
      const { executor, attempt } = record ?? {};
      return executor === undefined || (executor === this.#executor && Number(attempt) === outcome.attempt);
    });
  }
}

/** Whether the key that Redis speaks of is that of one task. */
function isOfOneTask(reason: string): boolean {
  return [RECORD_PREFIX, LOG_PREFIX, UNIQUE_PREFIX].some((prefix) => reason.includes(`"${prefix}`));
}

function emptyWithoutGroup(error: unknown): never[] {
  if (error instanceof Error && error.message.startsWith("NOGROUP")) return [];
  throw error;
}

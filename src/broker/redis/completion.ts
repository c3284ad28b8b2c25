/**
 * Ends attempts. The fast way: one write for the whole batch, XDEL and XACK with many ids, no question asked (and one
 * script for the plain ends that keep a record), while every lease is surely fresh (nobody can have taken one that the
 * owner renewed in time). The fenced way: after a stall, a lost reply or for a dead task, one script an outcome, which
 * Redis carries out only for the owner.
 */
import type { Redis } from "ioredis";
import type { CompletionResult, Outcome } from "../broker.ts";
import { GIVEN_UP, isFresh, type LeaseStamp, stampLease } from "../lease-stamp.ts";
import { encodeIds } from "./command-batch.ts";
import type { RedisConnections } from "./connections.ts";
import { ownDelivery, type RedisDelivery } from "./delivery.ts";
import { bySha, isKeptDone, keepDoneArguments, readEnd, whole } from "./done-records.ts";
import { GROUP, recordKey } from "./keys.ts";
import { hasNothingToTell, outcomeCommands, type RedisCommand } from "./outcome-commands.ts";
import { callScript, isUnknownScript } from "./scripts.ts";
import type { RedisWire } from "./wire.ts";

interface Entry {
  readonly outcome: Outcome;
  readonly delivery: RedisDelivery;
}

export class RedisCompletion {
  readonly #connections: RedisConnections;
  readonly #wire: RedisWire;
  readonly #executor: string;
  readonly #leaseMs: number;
  readonly #now: () => number;
  /** Entries whose completion was sent, but whose reply never came: the next call must ask. */
  readonly #doubtful = new WeakSet<RedisDelivery>();

  constructor(connections: RedisConnections, wire: RedisWire, executor: string, leaseMs: number, now: () => number) {
    this.#connections = connections;
    this.#wire = wire;
    this.#executor = executor;
    this.#leaseMs = leaseMs;
    this.#now = now;
  }

  async complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
    const entries = outcomes.map((outcome) => ({ outcome, delivery: ownDelivery(outcome.delivery) }));
    const stamp = stampLease();
    const slow = entries.filter((entry) => this.#needsFence(entry, stamp));
    if (slow.length === 0) {
      await this.#fast(entries);
      return entries.map(() => "recorded");
    }
    const fast = entries.filter((entry) => !slow.includes(entry));
    if (fast.length > 0) await this.#fast(fast);
    const lost = new Set<Entry>();
    for (const [index, entry] of slow.entries()) if (!(await this.#fenced(entry, index))) lost.add(entry);
    return entries.map((entry) => (lost.has(entry) ? "lost" : "recorded"));
  }

  #needsFence({ outcome, delivery }: Entry, now: LeaseStamp): boolean {
    return outcome.kind === "dead" || !isFresh(delivery.lease, this.#leaseMs, now) || this.#doubtful.has(delivery);
  }

  async #fast(entries: readonly Entry[]): Promise<void> {
    const now = this.#now();
    const kept = entries.filter(isKeptDone);
    const others = kept.length === 0 ? entries : entries.filter((entry) => !isKeptDone(entry));
    try {
      await this.#transact(
        this.#commandsOf(others, now),
        Map.groupBy(others, ({ delivery }) => delivery.stream),
        keepDoneArguments(kept, { executor: this.#executor, now }),
      );
      for (const { delivery } of entries) delivery.lease = GIVEN_UP;
    } catch (error) {
      // The transaction may have been carried out: asked again, only an entry that is still ours may be ended.
      for (const { delivery } of entries) this.#doubtful.add(delivery);
      throw error;
    }
  }

  #commandsOf(entries: readonly Entry[], now: number): RedisCommand[] {
    const commands: RedisCommand[] = [];
    for (const [index, { outcome, delivery }] of entries.entries()) {
      if (hasNothingToTell(outcome)) continue;
      commands.push(...outcomeCommands(outcome, delivery, { executor: this.#executor, now, index }));
    }
    return commands;
  }

  /**
   * One write: commands and the end of entries as one transaction, and each list of kept ones as one script. The end of
   * entries alone needs no transaction: one that is deleted and not acknowledged yet is nobody's to run.
   */
  async #transact(
    commands: readonly RedisCommand[],
    ended: ReadonlyMap<string, readonly Entry[]>,
    kept: readonly (readonly (string | number)[])[],
  ): Promise<void> {
    const isTransaction = commands.length > 0;
    const replies = await this.#wire.sendAlong((batch) => {
      for (const args of kept) batch.add(bySha(args));
      if (isTransaction) batch.add(["MULTI"]);
      for (const command of commands) batch.add(command);
      for (const [stream, entries] of ended) {
        const ids = encodeIds(entries.map(({ delivery }) => delivery.entry));
        batch.add(["XDEL", stream], ids);
        batch.add(["XACK", stream, GROUP], ids);
      }
      if (isTransaction) batch.add(["EXEC"]);
    });
    // Where Redis refuses a command of a transaction, that answer says why, and that of EXEC only that it was discarded.
    const refused = replies.slice(kept.length).find(([error]) => error !== null)?.[0];
    const results = isTransaction ? replies.at(-1)?.[1] : undefined;
    const failed = refused ?? (Array.isArray(results) ? results.find((result) => result instanceof Error) : undefined);
    if (failed) throw this.#connections.translate(failed);
    for (const [index, args] of kept.entries()) {
      const [error] = replies[index] ?? [null];
      if (isUnknownScript(error)) await this.#connections.run((redis) => run(redis, whole(args)));
      else if (error) throw this.#connections.translate(error);
    }
  }

  async #fenced({ outcome, delivery }: Entry, index: number): Promise<boolean> {
    const place = { executor: this.#executor, now: this.#now(), index };
    const commands = outcomeCommands(outcome, delivery, place);
    const wasDoubtful = this.#doubtful.has(delivery);
    this.#doubtful.add(delivery);
    const reply = await this.#connections.run((redis) =>
      callScript(
        redis,
        "taskexeFenced",
        delivery.stream,
        GROUP,
        this.#executor,
        delivery.entry,
        // Half a character (a text cut within a pair) would be refused by the script's JSON decoder.
        JSON.stringify(commands.map((command) => command.map((part) => String(part).toWellFormed()))),
        outcome.kind === "dead" ? recordKey(outcome.id) : "",
      ),
    );
    if (reply === 1) return true;
    return wasDoubtful && (await this.#wasEndedByUs({ outcome, delivery }));
  }

  /** After a lost reply: the entry is gone. It was us, unless a record names another executor or another end. */
  async #wasEndedByUs({ outcome, delivery }: Entry): Promise<boolean> {
    return this.#connections.run(async (redis) => {
      const pending = await redis.xpending(delivery.stream, GROUP, delivery.entry, delivery.entry, 1);
      if (pending.length > 0) return false;
      const [end, ...fields] = await redis.hmget(recordKey(outcome.id), "end", "executor", "attempt");
      const { executor, attempt } = readEnd(end) ?? { executor: fields[0] ?? null, attempt: Number(fields[1]) };
      return executor === null || (executor === this.#executor && attempt === outcome.attempt);
    });
  }
}

function run(redis: Redis, [name, ...args]: RedisCommand): Promise<unknown> {
  return redis.call(name, ...args);
}

/**
 * Takes new entries from the streams, urgent first. While there is work a claim does not block and travels with the
 * completions; once one finds nothing, it blocks on a connection of its own until a stream gets an entry. Redis may
 * give that one although more urgent ones came in the same instant: those are asked for behind it in the same write.
 * What comes beyond what was asked for is handed back to its place; where that cannot be, it is held for the next
 * claim, behind whatever is more urgent, and for `HELD_MS` at the most. Two claims may be under way at once: Redis then
 * serves the second while we work on the first.
 */
import { abortable, sleep } from "../../../concurrency/index.ts";
import type { Delivery } from "../../broker.ts";
import { type LeaseStamp, stampLease } from "../../lease-stamp.ts";
import { CommandBatch } from "../connection/command-batch.ts";
import type { RedisConnections } from "../connection/connections.ts";
import type { Doubt } from "../connection/doubt.ts";
import type { Reply } from "../connection/raw-connection.ts";
import type { RawEntry } from "../connection/replies.ts";
import { ReplyError } from "../connection/reply-decoder.ts";
import type { WriteCoalescer } from "../connection/write-coalescer.ts";
import { CANCEL_CHANNEL, DOUBT, LEFT_ENTRIES_KEY } from "../keys.ts";
import type { RedisPauses } from "../pauses.ts";
import {
  askAtOnce,
  askInOrder,
  askToWake,
  type ClaimAnswer,
  readAtOnce,
  readInOrder,
  readWoken,
} from "../scripts/claim.ts";
import { MAKE_GROUP } from "../scripts/leave-stream.ts";
import { runScript } from "../scripts/lua.ts";
import type { StreamName } from "../streams.ts";
import { ClaimOrder, type ClaimTurn } from "./claim-order.ts";
import { RedisDelivery } from "./delivery.ts";
import { endRead } from "./end-read.ts";
import type { LastDelivered } from "./last-delivered.ts";
import { ALL_MARKS, askMarks, type IsMarked, NONE_IS } from "./marks.ts";
import type { RedisOtherPrograms } from "./other-programs.ts";
import { areAllVoid, withoutVoid } from "./void-entries.ts";

/** How long entries that have no slot are held for the next claim, in ms. */
const HELD_MS = 1_000;
/** How long a claim waits before it looks again while every queue is paused, in ms. */
const ALL_PAUSED_MS = 250;

/** What holds for all entries of one reply. */
export interface DeliveryFacts {
  readonly lease: LeaseStamp;
  readonly mayBeCancelled: IsMarked;
  deliveriesOf(entry: string): number;
}

export class RedisClaims {
  readonly #connections: RedisConnections;
  readonly #wire: WriteCoalescer;
  readonly #executor: string;
  readonly #streams: readonly StreamName[];
  readonly #byKey: ReadonlyMap<string, StreamName>;
  readonly #pauses: RedisPauses;
  readonly #doubt: Doubt;
  readonly #last: LastDelivered;
  readonly #others: RedisOtherPrograms;
  readonly #order: ClaimOrder;
  readonly #beforeGroups: () => Promise<void>;
  /** Entries of a queue that was paused while the read was under way, or that nobody waits for: to be handed back. */
  #unwanted: RedisDelivery[] = [];
  /** Entries beyond what was asked for, as they came; and those of them that could not be put in their place. */
  #surplus: RedisDelivery[] = [];
  #held: RedisDelivery[] = [];
  #heldSince = 0;
  /** The connections that have had the script. */
  #scriptOn = 0;
  #scriptOnReader = 0;
  /** Whether any task was marked as cancelled at the last claim. */
  #someWereMarked = false;
  /** Whether all that the last read brought was void: there may be more. */
  #onlyVoid = false;
  /** Its queue is paused, or it is left to executors of other programs. */
  readonly #isLeftOut = ({ key, queue }: StreamName): boolean =>
    this.#pauses.isQueuePaused(queue) || this.#others.isQuiet(key);
  /** Whether the last read found something. */
  #busy = true;

  /** @param beforeGroups - done each time before the groups are made. */
  constructor(
    connections: RedisConnections,
    wire: WriteCoalescer,
    executor: string,
    streams: readonly StreamName[],
    pauses: RedisPauses,
    doubt: Doubt,
    last: LastDelivered,
    others: RedisOtherPrograms,
    beforeGroups: () => Promise<void>,
  ) {
    this.#doubt = doubt;
    this.#last = last;
    this.#others = others;
    this.#beforeGroups = beforeGroups;
    this.#connections = connections;
    this.#wire = wire;
    this.#executor = executor;
    this.#streams = streams;
    this.#order = new ClaimOrder(streams);
    this.#byKey = new Map(streams.map((stream) => [stream.key, stream]));
    this.#pauses = pauses;
  }

  /** Whether entries may have changed hands without their owners' knowledge. */
  get isDoubtful(): boolean {
    return this.#doubt.isOn;
  }

  /**
   * Creates a group that was destroyed while we ran, from the first entry on: nothing is lost then, and what was
   * delivered and not ended comes again. Whoever runs that must ask from now on whether it is still theirs.
   */
  async renewGroups(): Promise<void> {
    this.#doubt.begin();
    await this.#connections.run((redis) => redis.publish(CANCEL_CHANNEL, DOUBT));
    await this.createGroups();
  }

  /** Creates the groups that do not exist yet, from the first entry on. */
  async createGroups(): Promise<void> {
    await this.#beforeGroups();
    await this.#connections.run(async (redis) => {
      for (const { key } of this.#streams) await runScript(redis, MAKE_GROUP, key, LEFT_ENTRIES_KEY);
    });
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    signal.throwIfAborted();
    return this.#take(max, signal);
  }

  /** Whether a claim brought what must not be started. */
  get hasTooMuch(): boolean {
    return this.#surplus.length + this.#unwanted.length > 0;
  }

  /** What claims brought beyond what they were asked for, and what must be handed back in any case. */
  takeTooMuch(): { readonly surplus: readonly RedisDelivery[]; readonly unwanted: readonly RedisDelivery[] } {
    return { surplus: this.#surplus.splice(0), unwanted: this.#unwanted.splice(0) };
  }

  /** Keeps a surplus for the next claim. */
  hold(deliveries: readonly RedisDelivery[]): void {
    if (this.#held.length === 0) this.#heldSince = performance.now();
    this.#held.push(...deliveries);
  }

  /** What is held, and no claim came for it in time. */
  takeOld(): RedisDelivery[] {
    return performance.now() - this.#heldSince < HELD_MS ? [] : this.#held.splice(0);
  }

  /** All that is claimed and was not given out. */
  takeAll(): RedisDelivery[] {
    return [...this.#unwanted.splice(0), ...this.#surplus.splice(0), ...this.#held.splice(0)];
  }

  /** Makes delivery objects of claimed entries; entries that were deleted meanwhile are left out. */
  deliver(stream: StreamName, entries: readonly RawEntry[], facts: DeliveryFacts): RedisDelivery[] {
    const deliveries: RedisDelivery[] = [];
    const last = entries.at(-1)?.[0];
    if (last !== undefined) this.#last.given(stream.key, last);
    for (const [entry, fields] of entries) {
      if (fields === null) continue;
      deliveries.push(
        new RedisDelivery({
          queue: stream.queue,
          priority: stream.priority,
          stream: stream.key,
          entry,
          fields,
          deliveries: facts.deliveriesOf(entry),
          mayBeCancelled: facts.mayBeCancelled(fields),
          mayBeHeld: this.#doubt.isOn,
          lease: facts.lease,
        }),
      );
    }
    return deliveries;
  }

  async #take(max: number, signal: AbortSignal): Promise<RedisDelivery[]> {
    const { reader } = this.#connections;
    if (!reader.isOpen) await reader.opened(signal);
    await this.#others.refresh();
    if (this.#streams.every(this.#isLeftOut)) {
      await sleep(ALL_PAUSED_MS, signal);
      await this.#pauses.refresh();
      return [];
    }
    while (this.#busy || this.#held.length > 0) {
      const { found, isWhole } = await this.#poll(max);
      if (signal.aborted) {
        this.#unwanted.push(...found);
        throw signal.reason;
      }
      const taken = this.#choose(max, found);
      if (taken.length > 0) return taken;
      if (isWhole && !this.#onlyVoid) this.#busy = false;
    }
    const reading = this.#block(max);
    try {
      const found = await abortable(reading, signal);
      this.#busy ||= found.length > 0 || this.#onlyVoid;
      if (!this.#onlyVoid) return this.#choose(max, found);
    } catch (error) {
      if (!signal.aborted) throw this.#connections.translate(error);
      this.#unwanted.push(...(await endRead(this.#connections, reading)));
      throw signal.reason;
    }
    return this.#take(max, signal);
  }

  /** Takes what is there; `isWhole`: everything was looked at, so that nothing found means that there is nothing. */
  async #poll(max: number): Promise<{ readonly found: RedisDelivery[]; readonly isWhole: boolean }> {
    const lease = stampLease();
    const turn = this.#order.next(this.#isLeftOut);
    const answer = turn.inOrder ? await this.#readInOrder(turn, max) : await this.#readAtOnce(turn, max);
    this.#order.learn(turn, answer.streams, max);
    return { found: await this.#deliveriesOf(answer, lease), isWhole: turn.isWhole && answer.isKnown };
  }

  async #readAtOnce({ keys }: ClaimTurn, max: number): Promise<ClaimAnswer> {
    const executor = this.#executor;
    return this.#readWithMarks((batch) => askAtOnce(batch, { executor, keys, max }), readAtOnce);
  }

  async #readInOrder({ keys }: ClaimTurn, max: number): Promise<ClaimAnswer> {
    const executor = this.#executor;
    const { id } = this.#connections.hot;
    const isKnown = this.#scriptOn === id;
    const answer = await this.#readWithMarks(
      (batch) => askInOrder(batch, { executor, keys, max, isKnown }),
      readInOrder,
    );
    this.#scriptOn = answer.isKnown ? id : 0;
    return answer;
  }

  /** Asks for the marks in the same write, where some stood at the last claim. */
  async #readWithMarks(
    ask: (batch: CommandBatch) => void,
    read: (replies: readonly Reply[]) => ClaimAnswer,
  ): Promise<ClaimAnswer> {
    if (!this.#someWereMarked) return read(await this.#wire.send(ask));
    const replies = await this.#wire.send((batch) => {
      ask(batch);
      batch.add(ALL_MARKS);
    });
    return { ...read(replies.slice(0, -1)), marks: replies.at(-1) };
  }

  async #block(max: number): Promise<RedisDelivery[]> {
    const lease = stampLease();
    const [keys, urgent] = [this.#order.all(this.#isLeftOut), this.#order.urgent(this.#isLeftOut)];
    if (keys.length === 0) return [];
    const { reader } = this.#connections;
    const { id } = reader;
    const isKnown = this.#scriptOnReader === id;
    const question = { executor: this.#executor, keys, urgent, max, blockMs: this.#others.waitMs, isKnown };
    const batch = new CommandBatch();
    askToWake(batch, question);
    const answer = readWoken(await reader.send(batch), question);
    this.#scriptOnReader = answer.isKnown ? id : 0;
    this.#order.learn({ keys, inOrder: false, isWhole: true }, answer.streams, max);
    const found = await this.#deliveriesOf(answer, lease);
    if (!answer.isKnown) {
      // Nobody has looked at what is more urgent than this.
      this.#unwanted.push(...found.splice(0));
      this.#busy = true;
    }
    return found.sort(urgentFirst);
  }

  /**
   * What an answer brought. Where a stream or its group is gone they are made anew.
   *
   * @throws what Redis said in any other case why a stream could not be read; what came from others is handed back.
   */
  async #deliveriesOf(answer: ClaimAnswer, lease: LeaseStamp): Promise<RedisDelivery[]> {
    const { failed, someAreMarked, marks } = answer;
    let { streams } = answer;
    this.#someWereMarked = someAreMarked;
    const deliveries = (mayBeCancelled: IsMarked): RedisDelivery[] =>
      this.#deliverAll(streams, { lease, mayBeCancelled, deliveriesOf: () => 1 });
    let all: RedisDelivery[] | null = null;
    try {
      if (answer.someAreVoid) streams = await withoutVoid(this.#connections, streams);
      this.#onlyVoid = areAllVoid(answer.streams, streams);
      await this.#others.told(answer.someAreLeft);
      if (answer.somethingIsPaused || this.#pauses.some) await this.#pauses.refresh();
      const mayBeCancelled = someAreMarked ? await askMarks((fill) => this.#wire.send(fill), streams, marks) : NONE_IS;
      all = deliveries(mayBeCancelled);
      // Redis 7.0 says UNBLOCKED where the stream went away under a read that waited, later ones NOGROUP.
      if (/^(NOGROUP|UNBLOCKED)\b/.test(failed)) await this.renewGroups();
      else if (failed !== "") throw this.#connections.translate(new ReplyError(failed));
    } catch (error) {
      // They are ours by now. Left pending, each look at our own would count as one more death over them.
      this.#unwanted.push(...(all ?? deliveries(() => true)));
      throw error;
    }
    if (!this.#pauses.some) return all;
    const isPaused = ({ queue }: Delivery): boolean => this.#pauses.isQueuePaused(queue);
    this.#unwanted.push(...all.filter(isPaused));
    return all.filter((delivery) => !isPaused(delivery));
  }

  #deliverAll(streams: ClaimAnswer["streams"], facts: DeliveryFacts): RedisDelivery[] {
    return streams.flatMap(([key, entries]) => {
      const stream = this.#byKey.get(String(key));
      return stream ? this.deliver(stream, entries, facts) : [];
    });
  }

  /** The most urgent of what was found and of what is held, up to `max`; the rest is the surplus. */
  #choose(max: number, found: RedisDelivery[]): RedisDelivery[] {
    // Within a priority, what is held is the older part.
    const all = this.#held.length === 0 ? found : [...this.#held.splice(0), ...found].sort(urgentFirst);
    if (all.length > max) this.#surplus.push(...all.splice(max));
    return all;
  }
}

function urgentFirst(a: Delivery, b: Delivery): number {
  return b.priority - a.priority;
}

/**
 * Fills the free slots. With many slots two claims may be under way, each for at most half of them, and at most half
 * are started in one turn of the loop: while the tasks of one half run here, the broker works for the other. With few
 * slots what each claim costs by itself weighs more, so there is one; and with an embedded broker, whose work is ours,
 * one that serves all of them shares its flush to the disk among twice as many. What was claimed, recovered or taken
 * over waits in `ready` for its slot, rarely and briefly. After a start, and after a claim whose reply was lost, what
 * is pending under our own name is taken up first.
 */
import { getLogger } from "@logtape/logtape";
import { ifAvailable, Pauses } from "../../broker/availability.ts";
import type { Broker, Delivery } from "../../broker/broker.ts";
import { Latch, type Nursery, sleep, type Task } from "../../concurrency/index.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";
import type { Completion } from "../reports/completion.ts";
import type { LeftToOthers } from "./left-to-others.ts";
import type { SharedTurn } from "./shared-turn.ts";

const logger = getLogger(["taskexe", "executor"]);

/** Before another claim is looked after that is under way, in ms. */
const CLAIM_ENDS_MS = 50;
/** From so many slots on, claims and starts go in halves. */
const MANY_SLOTS = 32;
/** How much of what is pending under our own name is taken up in one go. */
const RECOVER_MAX = 10_000;

export interface IntakeParts {
  readonly broker: Broker;
  readonly running: RunningAttempts;
  readonly completion: Completion;
  /** What is held for executors of other programs. */
  readonly left: Pick<LeftToOthers, "deliveries">;
  readonly turn: SharedTurn;
  /** False: what is pending under our name may be another's that still lives, and comes when its lease is over. */
  readonly recoverAtOnce: boolean;
  /** Starts the attempt of one delivery; the slot counts from then on. */
  readonly start: (delivery: Delivery) => void;
  /** How many may run just now, for the sake of a suspect; Infinity: as many as there are slots. */
  readonly most: () => number;
  /** Told of what a claim brought, and of what was taken over. */
  readonly counted?: {
    claimed(deliveries: readonly Delivery[]): void;
    reclaimed(deliveries: readonly Delivery[]): void;
  };
}

export class Intake {
  readonly #broker: Broker;
  readonly #running: RunningAttempts;
  readonly #completion: Completion;
  readonly #left: Pick<LeftToOthers, "deliveries">;
  #limit: number;
  readonly #turn: SharedTurn;
  readonly #start: (delivery: Delivery) => void;
  readonly #most: () => number;
  readonly #counted: IntakeParts["counted"];
  #ready: Delivery[] = [];
  /** Slots kept free for claims that are under way. */
  #reserved = 0;
  #claiming = 0;
  #recoverDue: boolean;
  /** True while what is pending under our own name is asked for. */
  #recovering = false;
  /** True while a look for orphans has the first call on what is free. */
  #looking = false;
  #freed = new Latch();
  #startable = new Latch();
  #lastTurn = performance.now();
  /** Claims and starts go in halves since the last `run`. */
  #isHalved = false;

  /** @param limit - how many slots there are. */
  constructor(parts: IntakeParts, limit: number) {
    this.#broker = parts.broker;
    this.#running = parts.running;
    this.#completion = parts.completion;
    this.#left = parts.left;
    this.#limit = limit;
    this.#turn = parts.turn;
    this.#start = parts.start;
    this.#most = parts.most;
    this.#counted = parts.counted;
    this.#recoverDue = parts.recoverAtOnce;
    this.#running.changed = () => this.#roomChanged();
  }

  /** Claims until the signal aborts. */
  run(work: Nursery): void {
    this.#isHalved = this.#broker.isRemote && this.#limit >= MANY_SLOTS;
    if (!this.#isHalved) {
      work.startSoon((task: Task) => this.#claimLoop(() => this.#limit, task.signal), { name: "claim" });
      return;
    }
    const half = (): number => Math.ceil(this.#limit / 2);
    work.startSoon((task: Task) => this.#startLoop(half, task.signal), { name: "start" });
    work.startSoon((task: Task) => this.#claimLoop(half, task.signal), { name: "claim 1" });
    work.startSoon((task: Task) => this.#claimLoop(half, task.signal), { name: "claim 2" });
  }

  /** There are so many slots from now on. What holds more of them runs on. */
  resize(limit: number): void {
    this.#limit = limit;
    this.#pump();
    this.#freed.set();
  }

  /** Puts deliveries in line that came another way than by a claim. One that is held already is left alone. */
  take(deliveries: readonly Delivery[]): void {
    const held = this.handles();
    this.#ready.push(...deliveries.filter(({ handle }) => !held.has(handle)));
    this.#pump();
  }

  /**
   * Looks for orphaned tasks and takes them. Without room it waits for the next free slots, which no claim gets
   * meanwhile: on an executor that is never idle, orphans would else wait behind the whole backlog. No look goes beside
   * a recovery: what it has just taken over is ours, and would be taken up as a stray, and so run twice.
   *
   * @param look - is told how many tasks could be started now; at least 1.
   * @returns whether it found as many as there was room for, so that there may be more.
   */
  async takeOrphans(look: (room: number) => Promise<readonly Delivery[]>, signal: AbortSignal): Promise<boolean> {
    this.#looking = true;
    try {
      while (this.#room() <= 0 || this.#recovering) await this.#slot(signal);
      const room = this.#room();
      this.#claiming++;
      try {
        const found = await look(room);
        this.#counted?.reclaimed(found);
        this.take(found);
        return found.length >= room;
      } finally {
        this.#claiming--;
      }
    } finally {
      this.#looking = false;
      this.#freed.set();
    }
  }

  slotFreed(): void {
    this.#turn.ended();
    this.#roomChanged();
  }

  #roomChanged(): void {
    // The first free one after none: until now there was nothing to claim for, however long that was.
    if (this.#room() <= 1) this.#lastTurn = performance.now();
    if (this.#ready.length > 0) this.#pump();
    this.#freed.set();
  }

  /** Whether something may be pending under our own name that we do not know of: it is taken up before a claim. */
  get mayHaveStrays(): boolean {
    return this.#recoverDue;
  }

  /** What is claimed and has no slot yet. */
  ready(): readonly Delivery[] {
    return this.#ready;
  }

  /** Takes everything out that has no slot yet. */
  takeReady(): Delivery[] {
    return this.#ready.splice(0);
  }

  /**
   * Takes one out whose lease was lost: it must not be started here any more; a completion is refused by the broker.
   *
   * @returns false where it does not wait here.
   */
  forget({ handle }: Delivery): boolean {
    const at = this.#ready.findIndex((delivery) => delivery.handle === handle);
    if (at < 0) return false;
    this.#ready.splice(at, 1);
    logger.warn("The lease of a task that waited for its slot was lost to another executor; it is not run here");
    this.#freed.set();
    return true;
  }

  /** How long ago the claim loop last made progress, in ms; 0 while every slot is busy. */
  idleMs(): number {
    return this.#room() <= 0 ? 0 : performance.now() - this.#lastTurn;
  }

  /** How many could be started now. Those that wait for a runner hold no slot, and are no more than there are slots. */
  #room(): number {
    const { slots, parked } = this.#running;
    return Math.min(Math.min(this.#limit, this.#most()) - slots, this.#limit - parked) - this.#ready.length;
  }

  handles(): Set<string> {
    const handles = new Set<string>();
    for (const { handle } of this.#running.deliveries()) handles.add(handle);
    for (const { handle } of this.#completion.deliveries()) handles.add(handle);
    for (const { handle } of this.#left.deliveries()) handles.add(handle);
    for (const { handle } of this.#ready) handles.add(handle);
    return handles;
  }

  /** Starts what is ready as slots allow, at most half of them a turn, each half behind the turn's write. */
  async #startLoop(half: () => number, signal: AbortSignal): Promise<never> {
    for (;;) {
      const most = Math.min(half(), this.#limit - this.#running.slots);
      if (most > 0 && this.#ready.length > 0) {
        this.#startUpTo(most);
      } else {
        this.#startable = new Latch();
        await this.#startable.wait(signal);
      }
      await this.#turn.waitLate();
    }
  }

  async #claimLoop(most: () => number, signal: AbortSignal): Promise<never> {
    const pauses = new Pauses();
    for (;;) {
      const size = await this.#reserve(most, signal);
      try {
        if (await ifAvailable(() => this.#fill(size, signal))) {
          pauses.answered();
        } else {
          // The reply of a claim may be lost, and with it entries that are ours by now.
          this.#recoverDue = true;
          await pauses.wait(signal);
        }
      } finally {
        this.#reserved -= size;
      }
      this.#pump();
    }
  }

  /** Takes up to so many from the broker. */
  async #fill(size: number, signal: AbortSignal): Promise<void> {
    await this.#completion.room(signal);
    if (await this.#recover(signal)) await this.#arrived(await this.#claim(size, signal));
  }

  async #claim(size: number, signal: AbortSignal): Promise<Delivery[]> {
    this.#claiming++;
    try {
      return await this.#broker.claim(size, signal);
    } finally {
      this.#claiming--;
    }
  }

  async #arrived(deliveries: readonly Delivery[]): Promise<void> {
    this.#lastTurn = performance.now();
    this.#counted?.claimed(deliveries);
    if (deliveries.some(({ mayBeHeld }) => mayBeHeld)) {
      // Its group was made anew: what came again and is held here is ours as before.
      const held = this.handles();
      deliveries = deliveries.filter(({ handle }) => !held.has(handle));
    }
    const room = Math.max(0, this.#room());
    if (deliveries.length <= room) {
      this.#ready.push(...deliveries);
      return;
    }
    // Orphans have taken slots that were kept for this claim while it waited: what has none goes back, for others.
    this.#ready.push(...deliveries.slice(0, room));
    await this.#broker.release(deliveries.slice(room));
  }

  /** Waits for free slots and keeps up to `most` of them for a claim. */
  async #reserve(most: () => number, signal: AbortSignal): Promise<number> {
    let gathered = false;
    for (;;) {
      const free = this.#looking ? 0 : this.#room() - this.#reserved;
      if ((free >= most() && !this.#isHalved) || (free >= 1 && gathered)) {
        const size = Math.min(free, most());
        this.#reserved += size;
        return size;
      }
      // Slots which are freed together are claimed for together, and the claim travels with the completions of the
      // tasks that freed them. Where claims go in halves, the other half is at work meanwhile: a write of its own would
      // cost more than the turn that it came earlier.
      if (free >= 1) {
        await this.#turn.gather();
        gathered = true;
        continue;
      }
      await this.#slot(signal);
    }
  }

  /** Waits until a slot is freed. */
  async #slot(signal: AbortSignal): Promise<void> {
    if (this.#freed.isSet) this.#freed = new Latch();
    await this.#freed.wait(signal);
  }

  /**
   * Takes up what is pending under our own name. False: no claim may follow at once, since another one is under way,
   * whose entries must not be mistaken for strays, or since the slots kept for it went to what was found.
   */
  async #recover(signal: AbortSignal): Promise<boolean> {
    if (!this.#recoverDue) return true;
    if (this.#claiming > 0) {
      await sleep(CLAIM_ENDS_MS, signal);
      return false;
    }
    this.#claiming++;
    this.#recovering = true;
    try {
      const found = await this.#broker.recover(this.handles(), RECOVER_MAX);
      // Only now: until then no claim may pass by what was ours before.
      this.#recoverDue = false;
      if (found.length > 0) logger.info("Took up {count} task(s) pending under our own name", { count: found.length });
      this.take(found);
      this.#lastTurn = performance.now();
      return found.length === 0;
    } finally {
      this.#claiming--;
      this.#recovering = false;
      this.#freed.set();
    }
  }

  #pump(): void {
    if (this.#isHalved) this.#startable.set();
    else this.#startUpTo(this.#limit - this.#running.slots);
  }

  #startUpTo(most: number): void {
    if (most <= 0) return;
    for (const delivery of this.#ready.splice(0, most)) this.#start(delivery);
  }
}

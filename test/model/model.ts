/**
 * What a broker must do, as small as it can be said: tasks by id, who holds which, keys, cancel flags, pauses.
 * It decides nothing about order and time: commands say what was claimed and what came due. Where the brokers may
 * differ, and do so knowingly, a trait says which way.
 */
import type { EnqueueReceipt, EnqueueRequest, QueueCounts } from "../../src/broker/broker.ts";
import { hasEnded, type TaskState } from "../../src/task/state.ts";

/** The differences that the contract allows. */
export interface Traits {
  /**
   * A task without retention, delay and a key of its own has no record until it ends: it is known by its entry alone.
   */
  readonly recordless: boolean;
  /** What was cancelled keeps its record for a while even with retention 0. */
  readonly keepsCancelled: boolean;
  /** The entry of a task that is cancelled while it waits stays in line until somebody claims it: a ghost. */
  readonly ghosts: boolean;
  /** A flag is taken down by any end, not by that of a cancelled task alone. */
  readonly everyEndDropsFlag: boolean;
  /** Who looks for expired leases finds its own too. */
  readonly reclaimsOwn: boolean;
  /** It goes by a clock of its own, and not by that of the machine that uses it. */
  readonly ownClock: boolean;
  /** Types are paused in the line itself, where no executor sees the task; else who claims it parks it. */
  readonly parksInLine: boolean;
}

export interface ModelTask {
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  readonly retentionMs: number;
  state: TaskState;
  /** Whether the broker has a record of it. */
  recorded: boolean;
  /** Which attempt the next claim begins. */
  attempt: number;
  /** The key that it holds until it has ended. */
  key: string | null;
  /** The key that its message names, which a retry by hand takes again. */
  readonly named: string | null;
  /** Whether that is held for a time, and not until the task has ended. */
  readonly timed: boolean;
  /** Who holds it; null while nobody does. */
  holder: string | null;
  /** Drawn anew with each holder. */
  lease: number;
  expired: boolean;
  parked: boolean;
  /** Cancelled, but its entry still stands in line, or is pending. */
  ghost: boolean;
  due: boolean;
}

export class Model {
  readonly traits: Traits;
  readonly tasks = new Map<string, ModelTask>();
  /** Who holds a unique key, by `queue:key`; `timed` ones outlive their task. */
  readonly keys = new Map<string, { readonly id: string; readonly timed: boolean }>();
  readonly flags = new Set<string>();
  readonly pausedQueues = new Set<string>();
  readonly pausedTypes = new Set<string>();
  #leases = 0;

  constructor(traits: Traits) {
    this.traits = traits;
  }

  in(...states: TaskState[]): ModelTask[] {
    return [...this.tasks.values()].filter(({ state }) => states.includes(state));
  }

  /** Whether an executor that asks now gets anything at all. */
  hasWork(): boolean {
    const comes = ({ type, parked }: ModelTask) => (this.traits.parksInLine ? !this.pausedTypes.has(type) : !parked);
    const waiting = [...this.in("queued").filter(comes), ...this.ghosts().filter(({ holder }) => holder === null)];
    return waiting.some(({ queue }) => !this.pausedQueues.has(queue));
  }

  ghosts(): ModelTask[] {
    return [...this.tasks.values()].filter(({ ghost }) => ghost);
  }

  /** Pending under this name: what runs, and ghosts that were claimed and not ended. */
  heldBy(name: string): ModelTask[] {
    return [...this.tasks.values()].filter(({ holder }) => holder === name);
  }

  /** False where the producer itself must see to it that an id comes once. */
  knowsIdOf(request: EnqueueRequest): boolean {
    const there = this.tasks.get(request.id);
    return there === undefined || !this.traits.recordless || (there.recorded && this.#writesRecord(request));
  }

  enqueue(request: EnqueueRequest): EnqueueReceipt {
    const { id, type, queue, retentionMs, unique } = request;
    const there = this.tasks.get(id);
    if (there) return { id, created: false, state: there.state };
    const name = `${queue}:${unique?.key}`;
    const holder = unique && this.keys.get(name);
    if (holder) return { id: holder.id, created: false, state: this.tasks.get(holder.id)?.state ?? "done" };
    const timed = unique !== undefined && unique.ttlMs !== null;
    if (unique) this.keys.set(name, { id, timed });
    const state = request.delayMs ? "scheduled" : "queued";
    const recorded = !this.traits.recordless || this.#writesRecord(request);
    this.tasks.set(id, {
      ...{ id, type, queue, retentionMs, state, recorded, timed, named: unique ? name : null },
      key: unique && !timed ? name : null,
      ...{ attempt: 1, holder: null, lease: 0, expired: false, parked: false, ghost: false, due: false },
    });
    return { id, created: true, state };
  }

  #writesRecord({ retentionMs, delayMs, unique }: EnqueueRequest): boolean {
    return retentionMs > 0 || Boolean(delayMs) || unique?.ttlMs === null;
  }

  /** A claim, a recover or a reclaim gave it to somebody. */
  give(task: ModelTask, holder: string): number {
    if (!task.ghost) task.state = "running";
    task.holder = holder;
    task.expired = false;
    task.parked = false;
    task.lease = ++this.#leases;
    return task.lease;
  }

  /** Back into the line, not ended. */
  putBack(task: ModelTask): void {
    if (!task.ghost) task.state = "queued";
    task.holder = null;
    task.expired = false;
  }

  park(task: ModelTask): void {
    this.putBack(task);
    if (this.traits.parksInLine) return;
    task.parked = true;
    task.recorded = true;
  }

  retryLater(task: ModelTask): void {
    this.putBack(task);
    task.state = "retrying";
    task.recorded = true;
    task.attempt += 1;
  }

  end(task: ModelTask, state: "done" | "dead" | "cancelled"): void {
    task.state = state;
    task.holder = null;
    task.expired = false;
    task.parked = false;
    task.due = false;
    task.ghost = false;
    task.recorded = true;
    this.#freeKey(task);
    if (state === "cancelled") this.#freeTimedKey(task);
    if (state === "cancelled" || this.traits.everyEndDropsFlag) this.flags.delete(task.id);
    const kept = state === "dead" || task.retentionMs > 0 || (state === "cancelled" && this.traits.keepsCancelled);
    if (!kept) this.tasks.delete(task.id);
  }

  #freeKey(task: ModelTask): void {
    if (task.key !== null) this.keys.delete(task.key);
    task.key = null;
  }

  /** A cancel, or a purge by hand, frees a key that is held for a time, too. */
  #freeTimedKey({ id, named, timed }: ModelTask): void {
    if (named !== null && timed && this.keys.get(named)?.id === id) this.keys.delete(named);
  }

  /** What a cancel answers. One that waits without a record is found in its line, and gets a record by its cancel. */
  cancel(id: string): TaskState | null {
    const task = this.tasks.get(id);
    if (task === undefined || task.state === "running") {
      this.flags.add(id);
      return task?.state ?? null;
    }
    const { state, parked } = task;
    if (hasEnded(state)) return state;
    const flagged = this.flags.has(id);
    this.end(task, "cancelled");
    if (state === "queued" && !parked && this.traits.ghosts) {
      task.ghost = true;
      this.flags.add(id);
    } else if (flagged && !this.traits.everyEndDropsFlag) this.flags.add(id);
    return state;
  }

  /** Whether a retry by hand queues it; then it has. */
  retry(id: string): boolean {
    const task = this.tasks.get(id);
    if (task?.state !== "dead" && task?.state !== "cancelled") return false;
    const { named, timed } = task;
    const other = named === null ? undefined : this.keys.get(named);
    if (other !== undefined && other.id !== id) return false;
    if (named !== null && other === undefined) this.keys.set(named, { id, timed });
    task.key = timed ? null : named;
    // The entry that still stands is used again, held or not, unless its message tells of another attempt.
    const asNew = !task.ghost || task.attempt > 1;
    if (asNew) task.holder = null;
    task.state = task.holder === null ? "queued" : "running";
    task.ghost = false;
    task.attempt = 1;
    task.recorded = !this.traits.recordless || task.retentionMs > 0 || task.key !== null;
    this.flags.delete(id);
    return true;
  }

  /** Removes the record of an ended task by hand. */
  purge(task: ModelTask): void {
    this.#freeTimedKey(task);
    this.forget(task);
  }

  /** Removes the record of an ended task, and whatever else is left of it. */
  forget(task: ModelTask): void {
    if (task.ghost) this.flags.delete(task.id);
    this.tasks.delete(task.id);
  }

  /** Queues what is due; tells how many. */
  promote(): number {
    const due = this.in("scheduled", "retrying").filter((task) => task.due);
    for (const task of due) {
      if (task.state === "scheduled") this.#queueRecordless(task);
      task.state = "queued";
      task.due = false;
    }
    return due.length;
  }

  resumeType(type: string): void {
    this.pausedTypes.delete(type);
    for (const task of this.tasks.values()) {
      if (!task.parked || task.type !== type) continue;
      task.parked = false;
      this.#queueRecordless(task);
    }
  }

  /** A record that was needed only while the task waited goes with the wait. */
  #queueRecordless(task: ModelTask): void {
    if (this.traits.recordless && task.retentionMs === 0 && task.key === null) task.recorded = false;
  }

  counts(name: string): QueueCounts {
    const all = [...this.tasks.values()].filter(({ queue }) => queue === name);
    const n = (...states: TaskState[]) => all.filter(({ state }) => states.includes(state)).length;
    // A ghost that is pending counts as running, and is taken off the line a second time.
    const pendingGhosts = all.filter(({ ghost, holder }) => ghost && holder !== null).length;
    const parked = all.filter((task) => task.parked).length;
    return {
      name,
      queued: Math.max(0, n("queued") - parked - pendingGhosts) + parked,
      running: n("running") + pendingGhosts,
      scheduled: n("scheduled", "retrying"),
      dead: n("dead"),
      done: n("done"),
      cancelled: n("cancelled"),
    };
  }
}

/**
 * Tells the fleet of alerts: a task when one begins, and one when it ends, each once for all executors that see it. Who
 * tells holds a lock of the alert, renewed as long as it goes on; the ids are made of its fence. Where that one dies
 * another takes the lock over, says nothing of the beginning, and tells the end.
 */
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { prepare, requestsOf } from "../../operations/prepare.ts";
import { type Alert, CLEAR_MS } from "./board.ts";

/** How many tasks of alerts one executor enqueues a minute; the rest waits. */
const MOST_A_MINUTE = 20;
const MINUTE_MS = 60_000;
/** How long another executor does not begin an alert anew that has ended, in ms. */
const QUIET_MS = CLEAR_MS;

export interface AnnouncerOptions {
  /** Of the executor: who holds the locks. */
  readonly owner: string;
  /** For how long a lock is held without a renewal, in ms. */
  readonly holdMs: number;
  /** What tasks of alerts are, and where they wait; asked each time. Null: nobody is told. */
  readonly told: () => AlertTask | null;
}

export interface AlertTask {
  readonly type: string;
  /** Null: the queue that is everybody's. */
  readonly queue: string | null;
  readonly retentionMs: number;
}

/** What this executor knows of an alert. `others`: another one has told its beginning. */
interface Known {
  alert: Alert;
  role: "none" | "others" | "ours";
  /** Of our lock. */
  fence: number;
  hasBegun: boolean;
  hasEnded: boolean;
}

export class AlertAnnouncer {
  readonly #broker: Pick<Broker, "locks" | "enqueue" | "now">;
  readonly #options: AnnouncerOptions;
  readonly #known = new Map<string, Known>();
  /** When the tasks of the last minute were enqueued. */
  #sent: readonly number[] = [];

  constructor(broker: Pick<Broker, "locks" | "enqueue" | "now">, options: AnnouncerOptions) {
    this.#broker = broker;
    this.#options = options;
  }

  /**
   * Tells what has changed. What cannot be told, since the broker is away or there were too many, is told later.
   *
   * @param at - on the clock that only goes forward, in ms.
   */
  async tell(firing: readonly Alert[], ended: readonly Alert[], at: number): Promise<void> {
    for (const alert of firing) {
      const known = this.#known.get(alert.key);
      // Its end was not told yet, and it holds again: it has not ended.
      if (known !== undefined) [known.alert, known.hasEnded] = [alert, false];
      else this.#known.set(alert.key, { alert, role: "none", fence: 0, hasBegun: false, hasEnded: false });
    }
    for (const { key } of ended) {
      const known = this.#known.get(key);
      if (known !== undefined) known.hasEnded = true;
    }
    const task = this.#options.told();
    for (const [key, known] of this.#known) {
      if (task === null) this.#known.delete(key);
      else await ifAvailable(() => this.#tellOne(key, known, task, at));
    }
  }

  async #tellOne(key: string, known: Known, task: AlertTask, at: number): Promise<void> {
    await this.#hold(key, known);
    if (known.role !== "ours") {
      if (known.hasEnded) this.#known.delete(key);
      return;
    }
    if (!known.hasBegun) {
      if (!(await this.#send(known, "begin", task, at))) return;
      known.hasBegun = true;
    }
    if (!known.hasEnded || !(await this.#send(known, "end", task, at))) return;
    const { locks } = this.#broker;
    await locks.take(quietOf(key), this.#options.owner, QUIET_MS);
    await locks.free(lockOf(key), this.#options.owner);
    this.#known.delete(key);
  }

  /** Keeps the lock, or takes it where nobody has it. */
  async #hold(key: string, known: Known): Promise<void> {
    const { locks } = this.#broker;
    const { owner, holdMs } = this.#options;
    if (known.role === "ours") {
      if (!(await locks.renew(lockOf(key), owner, holdMs))) known.role = known.hasBegun ? "others" : "none";
      if (known.role === "ours") return;
    }
    // Whoever sees only the end has nothing to say.
    if (known.hasEnded && known.role === "none") return;
    const taken = await locks.take(lockOf(key), owner, holdMs);
    if (!taken.taken) {
      known.role = "others";
      return;
    }
    const isQuiet = !(await locks.take(quietOf(key), owner, 1)).taken;
    if (isQuiet) {
      // It has ended for whoever told of it: here it does too, or it begins anew after that.
      await locks.free(lockOf(key), owner);
      known.role = "none";
      return;
    }
    known.hasBegun = known.role === "others";
    [known.role, known.fence] = ["ours", taken.fence];
  }

  /** False: there were too many. */
  async #send({ alert, fence }: Known, state: "begin" | "end", task: AlertTask, at: number): Promise<boolean> {
    this.#sent = this.#sent.filter((sent) => at - sent < MINUTE_MS);
    if (this.#sent.length >= MOST_A_MINUTE) return false;
    const { key, name, severity, since, value, threshold, labels, summary } = alert;
    const payload = { name, severity, state, since, value, threshold, labels, summary };
    const options = { id: `alert-${key}-${fence}-${state}`, ...(task.queue === null ? {} : { queue: task.queue }) };
    const { retentionMs } = task;
    const ready = prepare(this.#broker, { retentionMs }, { type: task.type, payload, options });
    await this.#broker.enqueue(requestsOf([ready.task], this.#broker));
    this.#sent = [...this.#sent, at];
    return true;
  }
}

/** The lock of whoever tells of an alert, and that of one that has just ended. */
function lockOf(key: string): string {
  return `taskexe:alert:${key}`;
}

function quietOf(key: string): string {
  return `taskexe:alert-quiet:${key}`;
}

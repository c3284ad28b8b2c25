/**
 * Fires cron schedules. At its start an executor looks at all of them, then at those alone that are due or were put:
 * the broker gives each that is due to one executor at a time, and lets one take each step. Runs that were missed while
 * nobody was up are caught up once, however many they were. What the definitions of types say of their tasks counts for
 * schedules, too: an executor that has loaded the definition writes it on the schedule, once for each of its starts, so
 * that the last deploy wins and everybody fires and shows the same.
 */
import { isDeepStrictEqual } from "node:util";
import { getLogger } from "@logtape/logtape";
import { ifAvailable } from "../../broker/availability.ts";
import { type Broker, CallRefusedError } from "../../broker/broker.ts";
import type { ScheduleState, StoredSchedule, TakenSchedules } from "../../broker/contract/schedules.ts";
import { sleep } from "../../concurrency/index.ts";
import { askStates, nextStep, type RunStates, type Step, stateOf } from "../../operations/schedules/schedule-runs.ts";
import { InvalidTaskError } from "../../task/message/new-task.ts";
import { type ScheduleDefaults, scheduleDefaultsOf } from "../../task/options/schedule-options.ts";
import { CronError, nextRun } from "../../task/times/cron.ts";

const logger = getLogger(["taskexe", "schedules"]);

/**
 * The longest pause between two looks, in ms: somebody may have put one meanwhile. A look where none is due is one
 * call.
 */
const LOOK_MS = 1_000;
const SHORTEST_PAUSE_MS = 5;
/** How long a run whose type nobody has told of yet is left to executors that know it, in ms. */
const LEFT_TO_OTHERS_MS = 2_000;

/** How many are taken, and fired, at once. */
const BATCH = 250;
/** One that cannot be fired is looked at again after this, in ms. */
const BROKEN_MS = 60_000;
/** How much later the end of a run is asked for, as a part of its age, and the most, in ms. */
const AGE_PART = 0.1;
const LATEST_NEWS_MS = 30_000;
/** No schedule is left alone for longer, in ms. */
const LONGEST_MS = 86_400_000;
/** One that is less late has missed nothing, in ms; and so many missed runs are counted in one step. */
const LATE_MS = 5_000;
const MOST_MISSED = 1_000;
/** So many names are known at the most; past that some are told, or taught, once more. */
const MOST_KNOWN = 200_000;

/** The part of a broker that schedules need. */
export type ScheduleBroker = Pick<
  Broker,
  "now" | "everySchedule" | "takeSchedules" | "postponeSchedule" | "states" | "changeSchedule"
>;

/** What the definition of a type says of its tasks; undefined where this executor has not loaded it. */
export type DefinitionOf = (type: string) => ScheduleDefaults | undefined;

/** Told of each step of a schedule: what it has enqueued, and how many runs that were due it has not. */
export type Fired = (schedule: { readonly name: string; readonly queue: string | null }, missed: number) => void;

export class ScheduleFiring {
  readonly #broker: ScheduleBroker;
  readonly #definitionOf: DefinitionOf;
  readonly #fired: Fired;
  /** Schedules that have been complained about: one that cannot be fired is told once. */
  readonly #told = new Set<string>();
  /** Schedules, with their types, that have our definition. */
  readonly #taught = new Set<string>();
  /** Up to which put schedules have been looked at; null: none has been yet. */
  #seen: number | null = null;

  /** @param fired - its queue is null where a step has enqueued nothing. */
  constructor(broker: ScheduleBroker, definitionOf: DefinitionOf, fired: Fired = () => undefined) {
    this.#broker = broker;
    this.#definitionOf = definitionOf;
    this.#fired = fired;
  }

  /** The names of schedules that cannot be fired. */
  get told(): readonly string[] {
    return [...this.#told].sort();
  }

  /** Fires what comes due until the signal aborts. A broker that is away only means another look. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      let pauseMs = LOOK_MS;
      await ifAvailable(async () => {
        pauseMs = await this.look();
      });
      await sleep(pauseMs, signal);
    }
  }

  /** Looks once; gives how long until the next look, in ms. */
  async look(): Promise<number> {
    if (this.#seen === null) {
      // Asked first: what is put meanwhile is met after the walk.
      const { seen } = await this.#broker.takeSchedules(null, 0);
      await this.#walk();
      this.#seen = seen;
    }
    const { nextInMs } = await this.#fireDue((seen) => {
      this.#seen = seen;
    }, this.#seen);
    return Math.min(Math.max(nextInMs ?? LOOK_MS, SHORTEST_PAUSE_MS), LOOK_MS);
  }

  /**
   * Fires all that are due.
   *
   * @param tended - is told, after each batch, up to which put schedules all have been looked at.
   * @param since - behind which put schedules are looked at, too; null: none are.
   */
  async #fireDue(tended: (seen: number) => void, since: number | null): Promise<TakenSchedules> {
    for (let taken = await this.#broker.takeSchedules(since, BATCH); ; ) {
      const { due, changed, seen, isMore, takenUntil } = taken;
      // The broker looks for the next ones while these are fired.
      const [next] = await Promise.all([
        isMore ? this.#broker.takeSchedules(since === null ? null : seen, BATCH) : null,
        this.#tendTaken(due, changed, takenUntil),
      ]);
      tended(seen);
      if (next === null) return taken;
      taken = next;
    }
  }

  async #tendTaken(
    due: readonly StoredSchedule[],
    changed: readonly StoredSchedule[],
    takenUntil: number,
  ): Promise<void> {
    await all(changed.map((schedule) => this.#teach(schedule)));
    await this.#tendAll(due, takenUntil);
  }

  /** All of them, once: those that were due while nobody was up, and those whose definition we tell. */
  async #walk(): Promise<void> {
    for await (const schedules of this.#broker.everySchedule()) {
      await this.#tendAll(schedules, null);
      // A hundred thousand take a while: what comes due meanwhile does not wait for the last of them.
      await this.#fireDue(() => undefined, null);
    }
  }

  /** @param taken - until when they are left to us; null: they are not. */
  async #tendAll(schedules: readonly StoredSchedule[], taken: number | null): Promise<void> {
    if (schedules.length === 0) return;
    const states = await askStates(this.#broker, schedules);
    await all(
      schedules.map(async (schedule) => {
        const at = await this.#tend(schedule, states);
        if (taken === null || at === null || at <= taken) return;
        await this.#broker.postponeSchedule(schedule.name, taken, Math.min(at, taken + LONGEST_MS));
      }),
    );
  }

  /** Takes one step; gives when this schedule is to be looked at again, Unix ms; null: that was said with a change. */
  async #tend(schedule: StoredSchedule, states: RunStates): Promise<number | null> {
    const now = this.#broker.now();
    if (await this.#teach(schedule)) return null;
    const { name, nextAt } = schedule;
    const dueAt = nextAt ?? Number.POSITIVE_INFINITY;
    const isUnknown = schedule.defaults === null && this.#definitionOf(schedule.type) === undefined;
    if (isUnknown && dueAt <= now && now < dueAt + LEFT_TO_OTHERS_MS) return dueAt + LEFT_TO_OTHERS_MS;
    try {
      const step = nextStep(schedule, states, now);
      if (step === null) return Math.min(dueAt, newsAt(schedule, now));
      await this.#take(schedule, step);
      this.#told.delete(name);
      return null;
    } catch (error) {
      if (!isOfTheSchedule(error)) throw error;
      if (!this.#told.has(name)) {
        logger.error("The schedule {name} cannot be fired: {reason}", { name, reason: error.message });
      }
      remember(this.#told, name);
      return now + BROKEN_MS;
    }
  }

  async #take(schedule: StoredSchedule, { change, request, sending }: Step): Promise<void> {
    // Nobody has told of the type by now: the next run does not wait for somebody who does.
    const told = request === null || schedule.defaults !== null ? {} : { definition: { ...schedule, defaults: {} } };
    const result = await this.#broker.changeSchedule({ ...change, ...told });
    if (!result.changed) return;
    const { name, type } = schedule;
    const isCreated = request !== null && result.receipt?.created === true;
    if (isCreated) sending?.ended();
    const { skipped } = request === null || isCreated ? change.state : (change.enqueue?.otherwise ?? change.state);
    const missed = skipped - schedule.skipped + missedRuns(schedule, change.state, this.#broker.now());
    this.#fired({ name, queue: isCreated ? request.queue : null }, missed);
    if (request === null) return;
    if (isCreated) {
      logger.info("Fired the schedule {name}: {type} as {id}", { name, type, id: request.id });
      return;
    }
    logger.info("The schedule {name} was due and left out: the task {holder} holds the unique key of {type}", {
      ...{ name, type, holder: result.receipt?.id },
    });
  }

  /** Writes what our definition says on the schedule. True: it was changed, and is to be read again. */
  async #teach(schedule: StoredSchedule): Promise<boolean> {
    const defaults = scheduleDefaultsOf(this.#definitionOf(schedule.type));
    const taught = keyOf(schedule);
    if (defaults === null) return false;
    // One that was removed and put anew between two looks knows nothing again.
    if (this.#taught.has(taught) && schedule.defaults !== null) return false;
    if (!isDeepStrictEqual(defaults, schedule.defaults)) {
      const { name, revision } = schedule;
      const definition = { ...schedule, defaults };
      const changed = await this.#broker.changeSchedule({ name, revision, definition, state: stateOf(schedule) });
      if (!changed.changed) return true;
      remember(this.#taught, taught);
      return true;
    }
    remember(this.#taught, taught);
    return false;
  }
}

/**
 * When the end of its runs is to be asked for: soon where one waits for it, or its record may be gone, else ever later.
 */
function newsAt({ waitingAt, runs, retentionMs }: StoredSchedule, now: number): number {
  const open = runs.find(({ end }) => end === null);
  if (open === undefined) return Number.POSITIVE_INFINITY;
  if (waitingAt !== null || retentionMs < 2 * LATEST_NEWS_MS) return now;
  return now + Math.min((now - open.at) * AGE_PART, LATEST_NEWS_MS);
}

/** How many runs were due before now and come no more, since nobody was up: all but the one that is caught up. */
function missedRuns(before: StoredSchedule, after: ScheduleState, now: number): number {
  const { nextAt, cron, timezone } = before;
  if (nextAt === null || nextAt === after.nextAt || now - nextAt < LATE_MS) return 0;
  let missed = 0;
  for (let at: number | null = nextAt; missed < MOST_MISSED; missed++) {
    at = nextRun(cron, timezone, at);
    if (at === null || at > now) break;
  }
  return missed;
}

/** Waits for each of them, and fails as the first that did. */
async function all(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/** Adds to a set that does not grow for ever. */
function remember(names: Set<string>, name: string): void {
  if (names.size >= MOST_KNOWN) names.clear();
  names.add(name);
}

function keyOf({ name, type }: StoredSchedule): string {
  return `${name} ${type}`;
}

/**
 * What is stored can be wrong here, or a definition that was changed (what is put was checked by who put it), or the
 * broker refuses this one's queue: the others have theirs.
 */
function isOfTheSchedule(error: unknown): error is Error {
  return [CallRefusedError, CronError, InvalidTaskError, RangeError, SyntaxError].some((kind) => error instanceof kind);
}

/**
 * Fires cron schedules. Every executor looks; the broker lets one of them take each step. Runs that were missed while
 * nobody was up are caught up once, however many they were. What the definitions of types say of their tasks counts for
 * schedules, too: an executor that has loaded the definition writes it on the schedule, once for each of its starts, so
 * that the last deploy wins and everybody fires and shows the same.
 */
import { isDeepStrictEqual } from "node:util";
import { getLogger } from "@logtape/logtape";
import { type Broker, CallRefusedError } from "../broker/broker.ts";
import { askStates, nextStep, type RunStates, type Step, stateOf } from "../broker/operations/schedule-runs.ts";
import type { StoredSchedule } from "../broker/schedules.ts";
import { sleep } from "../concurrency/index.ts";
import { CronError } from "../task/cron.ts";
import { InvalidTaskError } from "../task/new-task.ts";
import { type ScheduleDefaults, scheduleDefaultsOf } from "../task/schedule-options.ts";
import { ifAvailable } from "./patience.ts";

const logger = getLogger(["taskexe", "schedules"]);

/** The longest pause between two looks, in ms: somebody may have put a schedule meanwhile. */
const LOOK_MS = 1_000;
const SHORTEST_PAUSE_MS = 5;
/** How long a run whose type nobody has told of yet is left to executors that know it, in ms. */
const LEFT_TO_OTHERS_MS = 2_000;

/** The part of a broker that schedules need. */
export type ScheduleBroker = Pick<Broker, "now" | "schedules" | "states" | "changeSchedule">;

/** What the definition of a type says of its tasks; undefined where this executor has not loaded it. */
export type DefinitionOf = (type: string) => ScheduleDefaults | undefined;

export class ScheduleFiring {
  readonly #broker: ScheduleBroker;
  readonly #definitionOf: DefinitionOf;
  /** Schedules that have been complained about: one that cannot be fired is told once. */
  #told = new Set<string>();
  /** Schedules, with their types, that have our definition. */
  #taught = new Set<string>();

  constructor(broker: ScheduleBroker, definitionOf: DefinitionOf) {
    this.#broker = broker;
    this.#definitionOf = definitionOf;
  }

  /** The names of schedules that cannot be fired. */
  get told(): readonly string[] {
    return [...this.#told];
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
    const schedules = await this.#broker.schedules();
    this.#forgetRemoved(schedules);
    const states = await askStates(this.#broker, schedules);
    let nextAt = Number.POSITIVE_INFINITY;
    for (const schedule of schedules) nextAt = Math.min(nextAt, await this.#tend(schedule, states));
    return Math.min(Math.max(nextAt - this.#broker.now(), SHORTEST_PAUSE_MS), LOOK_MS);
  }

  /** Takes one step; gives when this schedule is to be looked at again, Unix ms. */
  async #tend(schedule: StoredSchedule, states: RunStates): Promise<number> {
    const now = this.#broker.now();
    if (await this.#teach(schedule)) return now;
    const { name, nextAt } = schedule;
    const dueAt = nextAt ?? Number.POSITIVE_INFINITY;
    const isUnknown = schedule.defaults === null && this.#definitionOf(schedule.type) === undefined;
    if (isUnknown && dueAt <= now && now < dueAt + LEFT_TO_OTHERS_MS) return dueAt + LEFT_TO_OTHERS_MS;
    try {
      const step = nextStep(schedule, states, now);
      if (step === null) return dueAt;
      await this.#take(schedule, step);
      this.#told.delete(name);
      return step.change.state.nextAt ?? Number.POSITIVE_INFINITY;
    } catch (error) {
      if (!isOfTheSchedule(error)) throw error;
      if (!this.#told.has(name)) {
        logger.error("The schedule {name} cannot be fired: {reason}", { name, reason: error.message });
      }
      this.#told.add(name);
      return Number.POSITIVE_INFINITY;
    }
  }

  async #take(schedule: StoredSchedule, { change, request }: Step): Promise<void> {
    // Nobody has told of the type by now: the next run does not wait for somebody who does.
    const told = request === null || schedule.defaults !== null ? {} : { definition: { ...schedule, defaults: {} } };
    const result = await this.#broker.changeSchedule({ ...change, ...told });
    if (!result.changed || request === null) return;
    const { name, type } = schedule;
    if (result.receipt?.created) {
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
      this.#taught.add(taught);
      return true;
    }
    this.#taught.add(taught);
    return false;
  }

  #forgetRemoved(schedules: readonly StoredSchedule[]): void {
    const names = new Set(schedules.map(({ name }) => name));
    const keys = new Set(schedules.map(keyOf));
    this.#told = new Set([...this.#told].filter((name) => names.has(name)));
    this.#taught = new Set([...this.#taught].filter((key) => keys.has(key)));
  }
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

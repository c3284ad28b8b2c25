/** The cron schedules of a client. When they come due next is worked out here; executors fire them. */
import type { Broker, EnqueueReceipt } from "../broker/broker.ts";
import type { Preparation } from "../operations/prepare.ts";
import { type NewSchedule, putSchedule } from "../operations/schedules/put-schedule.ts";
import { allSchedules, findSchedule, type Schedule } from "../operations/schedules/schedule.ts";
import { pauseSchedule, resumeSchedule, runSchedule } from "../operations/schedules/schedule-control.ts";
import {
  type AnyTask,
  knownOf,
  type PayloadInput,
  type PayloadSchema,
  type TypedTask,
  typeOf,
  type UntypedTask,
} from "./task-type.ts";

/** When, and how its tasks are enqueued; the task and its payload stand beside it. */
export type Timetable = Omit<NewSchedule, "name" | "type" | "payload">;

/** Asks the broker of a client while that is open; rejects with ClientClosedError once it is closed. */
type Ask = <T>(ask: (broker: Broker) => Promise<T>) => Promise<T>;

export class ClientSchedules {
  readonly #ask: Ask;
  readonly #preparation: Preparation;

  constructor(ask: Ask, preparation: Preparation) {
    this.#ask = ask;
    this.#preparation = preparation;
  }

  /**
   * Stores a schedule, or replaces the one of that name: the same again keeps its next time and a run that was missed.
   * What the definition says of its tasks counts, where the timetable says nothing else. Each firing enqueues a task
   * with the id `cron-{name}-{time}`, once for the whole fleet; what was missed while no executor was up is caught up
   * once.
   *
   * @throws CronError or InvalidTaskError where something is wrong with it, before anything is stored.
   */
  put<Schema extends PayloadSchema>(
    name: string,
    timetable: Timetable,
    task: TypedTask<Schema>,
    payload: PayloadInput<Schema>,
  ): Promise<Schedule>;
  put(name: string, timetable: Timetable, task: string | UntypedTask, payload?: unknown): Promise<Schedule>;
  put(name: string, timetable: Timetable, task: AnyTask, payload: unknown = null): Promise<Schedule> {
    const schedule = { ...timetable, name, type: typeOf(task), payload };
    return this.#ask((broker) => putSchedule(broker, schedule, { ...this.#preparation, known: knownOf(task) }));
  }

  /** Tells whether there was one. */
  remove(name: string): Promise<boolean> {
    return this.#ask((broker) => broker.removeSchedule(name));
  }

  /** All of them, by name; in the place of a payload of more than 1 000 bytes is null: `get` gives it. */
  list(): Promise<Schedule[]> {
    return this.#ask(allSchedules);
  }

  /** One of them, with its last runs; null: there is none. */
  get(name: string): Promise<Schedule | null> {
    return this.#ask((broker) => findSchedule(broker, name));
  }

  /**
   * Enqueues a run now, also while it is paused.
   *
   * @returns `created` is false where an earlier run has not ended (overlap `skip`) or another task holds the unique
   * key:
   *   `id` is then that one's.
   * @throws UnknownScheduleError.
   */
  run(name: string): Promise<EnqueueReceipt> {
    return this.#ask((broker) => runSchedule(broker, name));
  }

  /** Lets it fire no more until it is resumed. @throws UnknownScheduleError. */
  pause(name: string): Promise<Schedule> {
    return this.#ask((broker) => pauseSchedule(broker, name));
  }

  /** Lets it fire again; what it missed meanwhile is not caught up. @throws UnknownScheduleError. */
  resume(name: string): Promise<Schedule> {
    return this.#ask((broker) => resumeSchedule(broker, name));
  }
}

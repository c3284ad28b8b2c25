/** The cron schedules of a client: put, remove, list. When they come due next is worked out here; executors fire them. */
import type * as v from "valibot";
import type { Schedule } from "../broker/administration.ts";
import type { Broker } from "../broker/broker.ts";
import { type NewSchedule, putSchedule } from "../broker/operations/put-schedule.ts";
import { prepareTask, type Surroundings } from "../task/new-task.ts";
import {
  type AnyTask,
  checkPayload,
  type PayloadSchema,
  type TypedTask,
  typeOf,
  type UntypedTask,
} from "./task-type.ts";

/** When and where; the task and its payload stand beside it. */
export type Timetable = Omit<NewSchedule, "name" | "type" | "payload">;

/** Asks the broker of a client while that is open; rejects with ClientClosedError once it is closed. */
type Ask = <T>(ask: (broker: Broker) => Promise<T>) => Promise<T>;

export class ClientSchedules {
  readonly #ask: Ask;
  readonly #surroundings: Omit<Surroundings, "now">;

  constructor(ask: Ask, surroundings: Omit<Surroundings, "now">) {
    this.#ask = ask;
    this.#surroundings = surroundings;
  }

  /**
   * Stores a schedule, or replaces the one of that name. Each firing enqueues a task with the id `cron-{name}-{time}`,
   * once for the whole fleet; runs that were missed while no executor was up are caught up once.
   *
   * @throws CronError or InvalidTaskError where something is wrong with it, before anything is stored.
   */
  put<Schema extends PayloadSchema>(
    name: string,
    timetable: Timetable,
    task: TypedTask<Schema>,
    payload: v.InferInput<Schema>,
  ): Promise<Schedule>;
  put(name: string, timetable: Timetable, task: string | UntypedTask, payload?: unknown): Promise<Schedule>;
  put(name: string, timetable: Timetable, task: AnyTask, payload: unknown = null): Promise<Schedule> {
    return this.#ask(async (broker) => {
      const type = typeOf(task);
      const { queue, priority, retentionMs } = typeof task === "string" ? {} : task;
      const surroundings = { ...this.#surroundings, ...(retentionMs === undefined ? {} : { retentionMs }) };
      const { message } = prepareTask(type, payload, {}, { ...surroundings, now: broker.now() });
      await checkPayload(task, message);
      const wanted = { ...timetable, queue: timetable.queue ?? queue, priority: timetable.priority ?? priority };
      return putSchedule(broker, { ...wanted, name, type, payload }, surroundings);
    });
  }

  /** Tells whether there was one. */
  remove(name: string): Promise<boolean> {
    return this.#ask((broker) => broker.removeSchedule(name));
  }

  /** All of them, by name. */
  list(): Promise<Schedule[]> {
    return this.#ask((broker) => broker.schedules());
  }
}

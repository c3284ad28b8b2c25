import { DEFAULT_PRIORITIES } from "../../task/options/enqueue-options.ts";
import type { TaskState } from "../../task/state.ts";
import type { BrokerOptions, QueueCounts } from "../broker.ts";
import type {
  Admin,
  ListPage,
  ListQuery,
  LogLine,
  LogTail,
  OtherQueues,
  PauseTarget,
  PurgeQuery,
  RetryReceipt,
} from "../contract/admin.ts";
import type { EditReceipt, TaskEdit } from "../contract/edit.ts";
import { checkEdits } from "../contract/edit-rules.ts";
import type { ManyChanges } from "../contract/many-changes.ts";
import type {
  ScheduleChange,
  ScheduleChanged,
  ScheduleList,
  ScheduleListQuery,
  StoredSchedule,
  TakenSchedules,
} from "../contract/schedules.ts";
import { listPlaces } from "../list-places.ts";
import { readFigures } from "./figures.ts";
import { glance } from "./looks/glances.ts";
import type { RedisParts } from "./parts.ts";
import { queuesOf } from "./queue-upkeep.ts";
import { editTasks } from "./records/edits.ts";

export class RedisAdministration implements Admin {
  protected readonly parts: RedisParts;
  protected readonly options: BrokerOptions;
  readonly many: ManyChanges;

  constructor(parts: RedisParts, options: BrokerOptions) {
    this.parts = parts;
    this.options = options;
    this.many = parts.many;
  }

  counts(queues?: readonly string[]): Promise<QueueCounts[]> {
    return this.parts.duties.do("counts", () => this.parts.queues.counts(queues));
  }

  otherQueues(max: number): Promise<OtherQueues> {
    return this.parts.duties.do("counts", () => this.parts.register.others(this.options.queues, max));
  }

  figures(queues: readonly string[]) {
    return this.parts.duties.do("counts", () => readFigures(this.parts, queues));
  }

  list(query: ListQuery): Promise<ListPage> {
    return listPlaces.take(() => this.parts.listing.list(query));
  }

  retry(ids: readonly string[], payload?: string): Promise<RetryReceipt[]> {
    return this.parts.byHand.retry(ids, payload);
  }

  async edit(edits: readonly TaskEdit[]): Promise<EditReceipt[]> {
    checkEdits(edits, this.options.priorities ?? DEFAULT_PRIORITIES);
    return editTasks(this.parts.connections, edits);
  }

  purge(query: PurgeQuery, max: number): Promise<number> {
    return this.parts.byHand.purge(query, max);
  }

  pause(target: PauseTarget): Promise<void> {
    return this.parts.pauses.pause(target);
  }

  resume(target: PauseTarget): Promise<void> {
    return this.parts.pauses.resume(target);
  }

  paused(): Promise<PauseTarget[]> {
    return this.parts.duties.do("counts", () => this.parts.pauses.list());
  }

  listSchedules(query: ScheduleListQuery): Promise<ScheduleList> {
    return this.parts.duties.do("schedules", () => listPlaces.take(() => this.parts.schedules.listed(query)));
  }

  everySchedule(): AsyncGenerator<readonly StoredSchedule[]> {
    return this.parts.schedules.every((ask) => this.parts.duties.do("schedules", ask));
  }

  countSchedules(): Promise<number> {
    return this.parts.schedules.count();
  }

  takeSchedules(since: number | null, max: number): Promise<TakenSchedules> {
    return this.parts.duties.do("schedules", async () => {
      if (this.parts.clock.hasStepped) await this.parts.clock.read();
      return this.parts.schedules.take(since, max);
    });
  }

  postponeSchedule(name: string, takenUntil: number, at: number): Promise<void> {
    return this.parts.duties.do("schedules", () => this.parts.schedules.postpone(name, takenUntil, at));
  }

  async schedule(name: string): Promise<StoredSchedule | null> {
    if (this.parts.clock.hasStepped) await this.parts.clock.read();
    return this.parts.schedules.get(name);
  }

  changeSchedule(change: ScheduleChange): Promise<ScheduleChanged> {
    return this.parts.duties.try(async () => {
      const { definition, enqueue } = change;
      const queues = definition === undefined ? [] : queuesOf(definition);
      await this.parts.register.use(enqueue === undefined ? queues : [...queues, enqueue.request.queue]);
      return this.parts.schedules.change(change);
    });
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.parts.schedules.remove(name);
  }

  states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    return this.parts.duties.do("schedules", () => this.parts.schedules.states(ids));
  }

  logs(id: string): Promise<LogLine[]> {
    return this.parts.logs.all(id);
  }

  logsAfter(id: string, after: number): Promise<LogTail> {
    return this.parts.logs.after(id, after);
  }

  glance(asked: readonly { readonly id: string; readonly seen: string | null }[]) {
    return glance(this.parts.connections, asked);
  }
}

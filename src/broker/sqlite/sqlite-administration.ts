/**
 * The embedded broker's part for people: counts, lists, changes by hand, pauses, schedules, task logs. What executors
 * and producers ask is in sqlite-broker.ts.
 */
import { DEFAULT_PRIORITIES } from "../../task/options/enqueue-options.ts";
import type { TaskState } from "../../task/state.ts";
import type { BrokerOptions, QueueCounts } from "../broker.ts";
import { checkRequests } from "../check-requests.ts";
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
import type {
  ScheduleChange,
  ScheduleChanged,
  ScheduleList,
  ScheduleListQuery,
  StoredSchedule,
  TakenSchedules,
} from "../contract/schedules.ts";
import { listPlaces } from "../list-places.ts";
import { pathOf } from "./address.ts";
import type { Store } from "./file/store.ts";
import { Bell } from "./news/bell.ts";
import { SqlitePauses } from "./pauses.ts";
import { counts, figures, otherQueues } from "./records/counts.ts";
import { edit } from "./records/edits.ts";
import { glance } from "./records/glances.ts";
import { list } from "./records/listing.ts";
import { purge, retry } from "./records/retry-and-purge.ts";
import { readLogs, readLogsAfter } from "./records/task-logs.ts";
import {
  changeSchedule,
  countSchedules,
  listedSchedules,
  postponeSchedule,
  removeSchedule,
  scheduleNamed,
  statesOf,
  storedSchedules,
  takeSchedules,
} from "./schedules.ts";

export class SqliteAdministration implements Admin {
  readonly url: string;
  protected readonly options: BrokerOptions;
  protected readonly priorities: number;
  protected readonly store: Store;
  protected readonly bell = new Bell();
  protected readonly pauses: SqlitePauses;

  constructor(url: string, store: Store, options: BrokerOptions) {
    this.url = url;
    this.store = store;
    this.options = options;
    this.priorities = options.priorities ?? DEFAULT_PRIORITIES;
    this.pauses = new SqlitePauses(store);
  }

  counts(queues: readonly string[] = this.options.queues): Promise<QueueCounts[]> {
    return counts(this.store, queues);
  }

  otherQueues(max: number): Promise<OtherQueues> {
    return otherQueues(this.store, this.options.queues, max);
  }

  figures(queues: readonly string[]) {
    return figures(this.store, pathOf(this.url), queues);
  }

  list(query: ListQuery): Promise<ListPage> {
    return listPlaces.take(() => list(this.store, query, this.options.queues, this.priorities));
  }

  async retry(ids: readonly string[], payload?: string): Promise<RetryReceipt[]> {
    const receipts = await this.store.inPlace(retry(this.store, ids, payload));
    this.bell.ring();
    return receipts;
  }

  async edit(edits: readonly TaskEdit[]): Promise<EditReceipt[]> {
    checkEdits(edits, this.priorities);
    const receipts = await this.store.inPlace(edit(this.store, edits));
    this.bell.ring();
    return receipts;
  }

  purge(query: PurgeQuery, max: number): Promise<number> {
    return purge(this.store, query, max, this.options.queues);
  }

  pause(target: PauseTarget): Promise<void> {
    return this.store.inPlace(this.pauses.pause(target));
  }

  async resume(target: PauseTarget): Promise<void> {
    await this.store.inPlace(this.pauses.resume(target));
    this.bell.ring();
  }

  paused(): Promise<PauseTarget[]> {
    return this.pauses.list();
  }

  listSchedules(query: ScheduleListQuery): Promise<ScheduleList> {
    return listPlaces.take(() => listedSchedules(this.store, query));
  }

  everySchedule(): AsyncGenerator<readonly StoredSchedule[]> {
    return storedSchedules(this.store);
  }

  countSchedules(): Promise<number> {
    return countSchedules(this.store);
  }

  takeSchedules(since: number | null, max: number): Promise<TakenSchedules> {
    return takeSchedules(this.store, since, max);
  }

  postponeSchedule(name: string, takenUntil: number, at: number): Promise<void> {
    return postponeSchedule(this.store, name, takenUntil, at);
  }

  schedule(name: string): Promise<StoredSchedule | null> {
    return scheduleNamed(this.store, name);
  }

  async changeSchedule(change: ScheduleChange): Promise<ScheduleChanged> {
    if (change.enqueue !== undefined) checkRequests([change.enqueue.request], this.priorities);
    const changed = await this.store.inPlace(changeSchedule(this.store, change));
    if (change.enqueue !== undefined) this.bell.ring();
    return changed;
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.store.inPlace(removeSchedule(this.store, name));
  }

  states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    return statesOf(this.store, ids);
  }

  logsAfter(id: string, after: number): Promise<LogTail> {
    return readLogsAfter(this.store, id, after);
  }

  glance(asked: readonly { readonly id: string; readonly seen: string | null }[]) {
    return glance(this.store, asked);
  }

  logs(id: string): Promise<LogLine[]> {
    return readLogs(this.store, id);
  }
}

/**
 * The memory broker's part for people: counts, lists, changes by hand, pauses, schedules, task logs. What executors and
 * producers ask is in memory-broker.ts.
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
  TaskGlance,
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
import { edit } from "./edits.ts";
import { list } from "./lists.ts";
import { logsAfter } from "./logs.ts";
import * as pauses from "./pauses.ts";
import { purge } from "./removal.ts";
import * as schedules from "./schedules.ts";
import type { MemoryStore } from "./store/store.ts";
import * as tasks from "./tasks.ts";
import * as watches from "./watches.ts";

export abstract class MemoryAdministration implements Admin {
  protected readonly options: BrokerOptions;
  protected readonly priorities: number;

  constructor(options: BrokerOptions) {
    this.options = options;
    this.priorities = options.priorities ?? DEFAULT_PRIORITIES;
  }

  /** @throws BrokerUnavailableError where it is not open. */
  protected abstract get store(): MemoryStore;

  async counts(queues: readonly string[] = this.options.queues): Promise<QueueCounts[]> {
    return watches.counts(this.store, queues);
  }

  async figures(queues: readonly string[]) {
    return watches.figures(this.store, queues);
  }

  async otherQueues(max: number): Promise<OtherQueues> {
    return watches.otherQueues(this.store, this.options.queues, max);
  }

  list(query: ListQuery): Promise<ListPage> {
    return listPlaces.take(async () => list(this.store, query, this.options.queues));
  }

  async retry(ids: readonly string[], payload?: string): Promise<RetryReceipt[]> {
    return tasks.retry(this.store, ids, payload);
  }

  async edit(edits: readonly TaskEdit[]): Promise<EditReceipt[]> {
    checkEdits(edits, this.priorities);
    return edit(this.store, edits);
  }

  async purge(query: PurgeQuery, max: number): Promise<number> {
    return purge(this.store, query, max, this.options.queues);
  }

  async pause(target: PauseTarget): Promise<void> {
    pauses.pause(this.store, target);
  }

  async resume(target: PauseTarget): Promise<void> {
    pauses.resume(this.store, target);
  }

  async paused(): Promise<PauseTarget[]> {
    return pauses.paused(this.store);
  }

  async logs(id: string): Promise<LogLine[]> {
    return [...(await this.logsAfter(id, 0)).lines];
  }

  async logsAfter(id: string, after: number): Promise<LogTail> {
    return logsAfter(this.store, id, after);
  }

  async glance(
    asked: readonly { readonly id: string; readonly seen: string | null }[],
  ): Promise<(TaskGlance | "same" | null)[]> {
    return watches.glance(this.store, asked);
  }

  async states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    return watches.statesOf(this.store, ids);
  }

  async listSchedules(query: ScheduleListQuery): Promise<ScheduleList> {
    return listPlaces.take(() => schedules.listSchedules(this.store, query));
  }

  everySchedule(): AsyncGenerator<readonly StoredSchedule[]> {
    return schedules.storedSchedules(this.store);
  }

  async countSchedules(): Promise<number> {
    return this.store.schedules.size;
  }

  async takeSchedules(since: number | null, max: number): Promise<TakenSchedules> {
    return schedules.takeSchedules(this.store, since, max);
  }

  async postponeSchedule(name: string, takenUntil: number, at: number): Promise<void> {
    schedules.postponeSchedule(this.store, name, takenUntil, at);
  }

  async schedule(name: string): Promise<StoredSchedule | null> {
    return schedules.scheduleNamed(this.store, name);
  }

  async changeSchedule(change: ScheduleChange): Promise<ScheduleChanged> {
    if (change.enqueue !== undefined) checkRequests([change.enqueue.request], this.priorities);
    return schedules.changeSchedule(this.store, change);
  }

  async removeSchedule(name: string): Promise<boolean> {
    return this.store.schedules.delete(name);
  }
}

/** The tasks of one queue by state, each list in the order in which it is asked for; and how long their logs are. */
import { TASK_STATES, type TaskState } from "../../../task/state.ts";
import type { Entry } from "./entry.ts";
import { SortedList } from "./sorted-list.ts";

export class QueueBooks {
  readonly name: string;
  /** Those that have a log, oldest first; and how many bytes all of them have. */
  readonly logged = new SortedList<Entry>(({ seq }) => [0, seq]);
  logBytes = 0;
  /** When something was enqueued last, Unix ms. */
  usedAt = 0;
  readonly #lists: Readonly<Record<TaskState, SortedList<Entry>>>;

  constructor(name: string) {
    this.name = name;
    const bySeq = () => new SortedList<Entry>(({ seq }) => [0, seq]);
    this.#lists = {
      queued: new SortedList<Entry>(({ priority, place }) => [-priority, place]),
      scheduled: bySeq(),
      running: bySeq(),
      retrying: bySeq(),
      done: bySeq(),
      dead: bySeq(),
      cancelled: bySeq(),
    };
  }

  /** Queued ones: urgent first, then by their places. All others: in the order in which they were enqueued. */
  of(state: TaskState): SortedList<Entry> {
    return this.#lists[state];
  }

  get isEmpty(): boolean {
    return TASK_STATES.every((state) => this.#lists[state].size === 0);
  }
}

/**
 * The contract's part for changes to many that a broker makes as it finds them. Not every broker has them: where they
 * are absent, a list and a change of what it gave do the same.
 */

/** Of which tasks; absent filters match everything. */
export interface ManyFilter {
  readonly queue?: string;
  readonly type?: string;
}

/**
 * Each gives after every step what more it has changed, in bounded steps of a few ms. A caller that stops has
 * changed what it was told of, perhaps one step more; the same call does the rest.
 */
export interface ManyChanges {
  /**
   * Cancels all that are queued, those of a paused type included, as `cancel` does; those that are found to run, or
   * have no record, are counted, too: whoever runs them is told.
   */
  cancelQueued(filter: ManyFilter): AsyncGenerator<number>;
  /**
   * Queues those again that were cancelled while they waited in line, before this call, and gives their ids. Not all:
   * what needs a closer look is left to a list and `retry`.
   */
  requeueCancelled(filter: ManyFilter): AsyncGenerator<readonly string[]>;
}

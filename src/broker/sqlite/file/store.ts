/**
 * The database as the broker's parts use it: reads at once, writes gathered into one transaction a turn of the event
 * loop (group commit: one flush to the disk serves all). A lock held by another process is waited for asleep, never
 * blocking the loop; after 10 s, or when the disk fails, the calls reject with BrokerUnavailableError.
 */
import { checkpoint, Latch, sleep } from "../../../concurrency/index.ts";
import type { SqlStatement } from "../../../runtime/index.ts";
import { BrokerUnavailableError } from "../../broker.ts";
import type { ConnectionMonitor } from "./connection-monitor.ts";
import type { DatabaseFile } from "./database-file.ts";
import {
  isBusy,
  isUnavailable,
  messageOf,
  needsReopening,
  reasonOf,
  SqliteFileError,
  stateOf,
  unavailable,
} from "./sqlite-errors.ts";
import { Transaction } from "./transaction.ts";

/** How long a lock is waited for, in ms. */
const BUSY_LIMIT_MS = 10_000;
/** After how long a lock that is held is a trouble that is told, in ms. */
const BUSY_TOLD_MS = 2_000;
/** The longest pause between two tries, in ms; the first ones are shorter. */
const LONGEST_PAUSE_MS = 25;
/** For how long it is warned of a file that was deleted or replaced, in ms. */
const MOVED_TOLD_MS = 3_600_000;
/** How many rows one transaction should hold at most, so that the loop gets its turn. */
const ROWS_PER_TRANSACTION = 2000;

interface Job {
  readonly rows: number;
  readonly since: number;
  readonly signal: AbortSignal | undefined;
  /** Does the work; may be called again after a rollback. */
  readonly work: (tx: Transaction) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Store {
  readonly #file: DatabaseFile;
  readonly #monitor: ConnectionMonitor;
  readonly #url: string;
  #jobs: Job[] = [];
  #arrived = new Latch();
  #closed: BrokerUnavailableError | null;
  /** When the file was found to be deleted or replaced, on the monotonic clock. */
  #movedAt: number | null = null;

  constructor(file: DatabaseFile, monitor: ConnectionMonitor, url: string) {
    this.#file = file;
    this.#monitor = monitor;
    this.#url = url;
    this.#closed = new BrokerUnavailableError(`the broker ${url} is not open`);
  }

  /** A prepared statement, for reads. @throws BrokerUnavailableError while the database is closed. */
  sql(text: string): SqlStatement {
    if (this.#closed !== null) throw this.#closed;
    return this.#file.sql(text);
  }

  /**
   * Reads, trying again while the database is locked (it hardly ever is for readers).
   *
   * @throws (rejects) BrokerUnavailableError.
   */
  async read<T>(work: (sql: (text: string) => SqlStatement) => T): Promise<T> {
    try {
      return work((text) => this.sql(text));
    } catch (error) {
      if (!isBusy(error)) throw this.#failed(error);
    }
    return this.write(0, (tx) => work((text) => tx.sql(text)));
  }

  /**
   * Runs the work in the next transaction and gives its value once that is safely on the disk. The work must touch
   * nothing but the transaction, since it is run again after a rollback, and must not keep what it is given.
   *
   * @param rows - about how many rows it touches.
   * @param signal - a job whose signal aborts before its transaction is left out, and rejects with the reason.
   * @throws (rejects) BrokerUnavailableError; what the work threw.
   */
  write<T>(rows: number, work: (tx: Transaction) => T, signal?: AbortSignal): Promise<T> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    return new Promise<T>((resolve, reject) => {
      let value: T;
      this.#jobs.push({
        rows,
        since: performance.now(),
        signal,
        work: (tx) => {
          value = work(tx);
        },
        resolve: () => resolve(value),
        reject,
      });
      this.#arrived.set();
    });
  }

  /** A number that changes when another file than before is opened. */
  get generation(): number {
    return this.#file.generation;
  }

  /** What was asked for a user counts only where the path still leads to the file that it was written to. */
  async inPlace<T>(work: Promise<T>): Promise<T> {
    const done = await work;
    this.mustBeInPlace();
    return done;
  }

  /**
   * Looks whether the path still leads to the file that is open. A file that nobody else sees any more is closed; the
   * next use opens, or creates, what is there.
   *
   * @throws BrokerUnavailableError where it does not: what was done in the file since the last look is gone with it.
   */
  mustBeInPlace(): void {
    const { path } = this.#file;
    const became = this.#file.moved();
    if (became === null) return;
    const at = new Date().toISOString();
    const what = `the database ${path} ${became} while it was open (noticed at ${at})`;
    this.#file.leave();
    this.#movedAt = performance.now();
    this.#monitor.down("away", `${what}; what stands there now is opened, or made anew`);
    this.#monitor.warn([
      `${what}: what was only in the old file is out of reach, and the end of tasks that ran from it is ` +
        "recorded only " +
        "where the file that is there now knows them",
    ]);
    throw new BrokerUnavailableError(what);
  }

  /** The same as a round of the watcher: it only notes what it finds. */
  lookAtPlace(): void {
    if (this.#movedAt !== null && performance.now() - this.#movedAt > MOVED_TOLD_MS) {
      this.#movedAt = null;
      this.#monitor.warn([]);
    }
    try {
      this.mustBeInPlace();
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
    }
  }

  /** Lets calls in. */
  start(): void {
    this.#closed = null;
  }

  /** Runs the transactions until the signal aborts; rejects what is left then. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (true) {
        await this.#arrived.wait(signal);
        this.#arrived = new Latch();
        await checkpoint(signal);
        await this.#drain(signal);
      }
    } finally {
      this.#closed = new BrokerUnavailableError(`the broker ${this.#url} was closed`);
      for (const job of this.#jobs.splice(0)) job.reject(this.#closed);
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    let tries = 0;
    while (this.#jobs.length > 0) {
      const batch = this.#nextBatch();
      const error = batch.length === 0 ? null : this.#commit(batch);
      if (error === null) {
        tries = 0;
        for (const job of batch) job.resolve();
        await checkpoint(signal);
      } else if (isBusy(error)) {
        this.#jobs.unshift(...batch);
        this.#giveUpOld(error);
        tries += 1;
        await sleep(Math.random() * Math.min(2 ** tries, LONGEST_PAUSE_MS), signal);
      } else {
        this.#fail(batch, error);
        await checkpoint(signal);
      }
    }
  }

  /** Takes the oldest jobs off the queue, leaving out those that nobody waits for any more. */
  #nextBatch(): Job[] {
    const batch: Job[] = [];
    let rows = 0;
    let taken = 0;
    for (const job of this.#jobs) {
      if (rows > 0 && rows + job.rows > ROWS_PER_TRANSACTION) break;
      taken += 1;
      if (job.signal?.aborted) job.reject(job.signal.reason);
      else {
        batch.push(job);
        rows += job.rows;
      }
    }
    this.#jobs.splice(0, taken);
    return batch;
  }

  /** Does the jobs in one transaction; gives the error that undid all of them, or null. */
  #commit(batch: readonly Job[]): unknown {
    try {
      this.#file.open();
      this.#file.sql("BEGIN IMMEDIATE").run();
    } catch (error) {
      return error;
    }
    try {
      const tx = new Transaction(this.#file);
      for (const job of batch) job.work(tx);
      tx.finish();
      this.#file.sql("COMMIT").run();
    } catch (error) {
      this.#rollback();
      return error;
    }
    this.#monitor.up();
    return null;
  }

  #rollback(): void {
    try {
      this.#file.sql("ROLLBACK").run();
    } catch (error) {
      // SQLite may have rolled back by itself, as it does when the disk is full. Else the connection is of no use.
      if (!messageOf(error).includes("no transaction is active")) this.#file.close();
    }
  }

  /** One faulty job must not fail its neighbours: they are done again, each for itself. */
  #fail(batch: readonly Job[], error: unknown): void {
    if (isUnavailable(error) || error instanceof BrokerUnavailableError || error instanceof SqliteFileError) {
      const failure = this.#failed(error);
      for (const job of batch) job.reject(failure);
    } else if (batch.length === 1) {
      for (const job of batch) job.reject(error);
    } else {
      for (const job of batch) {
        const again = this.#commit([job]);
        if (again === null) job.resolve();
        else if (isBusy(again)) this.#jobs.push(job);
        else this.#fail([job], again);
      }
    }
  }

  #giveUpOld(error: unknown): void {
    const now = performance.now();
    const limit = now - BUSY_LIMIT_MS;
    if (this.#jobs.some((job) => job.since < now - BUSY_TOLD_MS)) this.#monitor.down("refusing", reasonOf(error));
    const old = this.#jobs.filter((job) => job.since < limit);
    if (old.length === 0) return;
    this.#jobs = this.#jobs.filter((job) => job.since >= limit);
    const failure = this.#failed(error);
    for (const job of old) job.reject(failure);
  }

  /** Notes that the database does not work, and gives the error that the caller gets. Other errors pass. */
  #failed(error: unknown): unknown {
    if (error instanceof BrokerUnavailableError) {
      if (this.#monitor.isWell) this.#monitor.down(stateOf(error), error.message);
      return error;
    }
    if (!isUnavailable(error) && !(error instanceof SqliteFileError)) return error;
    if (needsReopening(error)) this.#file.close();
    this.#monitor.down(stateOf(error), reasonOf(error));
    return unavailable(this.#url, error);
  }
}

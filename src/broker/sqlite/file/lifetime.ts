/**
 * From the opening of the file to its closing: opens it as soon as that can be done, runs what writes and what watches
 * while it is open, ends both, and tells the monitor how the connection stands.
 */
import { type Nursery, openRoot, sleep, withNursery } from "../../../concurrency/index.ts";
import { BrokerUnavailableError } from "../../broker.ts";
import type { Watcher } from "../news/watcher.ts";
import type { ConnectionMonitor } from "./connection-monitor.ts";
import type { DatabaseFile } from "./database-file.ts";
import { isUnavailable, messageOf, reasonOf, stateOf } from "./sqlite-errors.ts";
import type { Store } from "./store.ts";

/** How long open() waits before it tries again, in ms. */
const OPEN_PAUSE_MS = 200;

export interface LifetimeParts {
  readonly url: string;
  readonly file: DatabaseFile;
  readonly store: Store;
  readonly watcher: Watcher;
  readonly monitor: ConnectionMonitor;
}

export class SqliteLifetime {
  readonly #parts: LifetimeParts;
  #nursery: Nursery | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: LifetimeParts) {
    this.#parts = parts;
  }

  /** @throws (rejects) SqliteFileError where the file is not ours, or cannot be used by this user. */
  async open(signal: AbortSignal): Promise<void> {
    const { url, store, watcher, monitor } = this.#parts;
    if (this.#nursery !== null) throw new Error(`the broker ${url} is open already`);
    while (!this.#tryOpen()) await sleep(OPEN_PAUSE_MS, signal);
    store.start();
    watcher.start();
    monitor.opened();
    this.#running = withNursery(
      openRoot(),
      (nursery) => {
        this.#nursery = nursery;
        nursery.startSoon((task) => store.run(task.signal), { name: "sqlite writer" });
        nursery.startSoon((task) => watcher.run(task.signal), { name: "sqlite watcher" });
      },
      { name: "sqlite broker" },
    );
  }

  /** @param ended - is called between the end of the loops and the closing of the file. */
  async close(ended: () => void): Promise<void> {
    const { file, monitor } = this.#parts;
    this.#nursery?.scope.cancel("the broker is closed");
    try {
      await this.#running;
    } catch (error) {
      // A fault of ours that ended the loops; the runtime has reported it as unhandled by now.
      monitor.down("away", messageOf(error));
    }
    ended();
    file.close();
    monitor.closed();
  }

  #tryOpen(): boolean {
    const { file, monitor } = this.#parts;
    try {
      file.open();
      return true;
    } catch (error) {
      if (!isUnavailable(error) && !(error instanceof BrokerUnavailableError)) throw error;
      monitor.down(stateOf(error), reasonOf(error));
      return false;
    }
  }
}

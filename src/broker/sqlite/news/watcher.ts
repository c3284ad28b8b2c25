/**
 * What other processes did, noticed within milliseconds: `PRAGMA data_version` changes with every commit that is not
 * ours. Rings for waiting claims, and passes on the ids that were cancelled. It also tries the database again while it
 * does not work, so that it is found to be well without anybody having to ask, and looks whether its file is still
 * there.
 */
import { sleep } from "../../../concurrency/index.ts";
import { lastNews, newsAfter } from "../cancels.ts";
import type { ConnectionMonitor } from "../file/connection-monitor.ts";
import { isBusy } from "../file/sqlite-errors.ts";
import type { Store } from "../file/store.ts";
import { orderOf } from "../fleet.ts";
import type { Bell } from "./bell.ts";

const DATA_VERSION = "PRAGMA data_version";
const PROBE = "UPDATE ledger SET probe = probe + 1";
/** How often an executor and a client look, in ms. */
const EXECUTOR_LOOKS_MS = 10;
const CLIENT_LOOKS_MS = 50;
/** How often the bell rings at least, in ms: waiting claims then look at their watch. */
const RING_MS = 500;
/** Between two looks whether the file is still in its place, in ms. */
const PLACE_MS = 500;
/** How long the database is left alone after it failed, in ms. */
const PROBE_MS = 250;

export class Watcher {
  readonly #store: Store;
  readonly #monitor: ConnectionMonitor;
  readonly #bell: Bell;
  readonly #looksMs: number;
  readonly #listeners = new Set<(ids: readonly string[]) => void>();
  /** Those that wait for orders, and the last one that each has been told of. */
  readonly #ordered = new Set<{ readonly name: string; readonly listener: () => void; last: unknown }>();
  readonly #onOtherFile: () => void;
  #version: unknown;
  #last = 0;
  #generation = 0;

  /** @param onOtherFile - called when another file than before is open. */
  constructor(store: Store, monitor: ConnectionMonitor, bell: Bell, executor: boolean, onOtherFile: () => void) {
    this.#onOtherFile = onOtherFile;
    this.#store = store;
    this.#monitor = monitor;
    this.#bell = bell;
    this.#looksMs = executor ? EXECUTOR_LOOKS_MS : CLIENT_LOOKS_MS;
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls the listener when another order than before is there for the executor of that name. */
  onOrder(name: string, listener: () => void): () => void {
    const ordered = { name, listener, last: undefined };
    this.#ordered.add(ordered);
    return () => this.#ordered.delete(ordered);
  }

  /** From here on cancels are news. */
  start(): void {
    this.#last = lastNews(this.#store);
    this.#generation = this.#store.generation;
  }

  async run(signal: AbortSignal): Promise<void> {
    let rungAt = 0;
    let placedAt = performance.now();
    while (true) {
      await sleep(this.#looksMs, signal);
      if (performance.now() - placedAt >= PLACE_MS) {
        placedAt = performance.now();
        this.#store.lookAtPlace();
      }
      if (!this.#monitor.isWell) await this.#probe(signal);
      const now = performance.now();
      if (this.#changed() || now - rungAt >= RING_MS) {
        rungAt = now;
        this.#bell.ring();
      }
    }
  }

  /**
   * Passes on cancels that have not been passed on yet. To be called after our own, which data_version does not show.
   * Something may follow what was cancelled, so claims look again.
   */
  passOn(): void {
    this.#bell.ring();
    const { ids, last } = newsAfter(this.#store, this.#last);
    if (ids.length === 0) return;
    this.#last = last;
    for (const listener of [...this.#listeners]) listener(ids);
  }

  #passOnOrders(): void {
    for (const ordered of this.#ordered) {
      const now = orderOf(this.#store, ordered.name);
      if (now === ordered.last) continue;
      ordered.last = now;
      if (now !== undefined) ordered.listener();
    }
  }

  /** A failure shows in the probe, or with the next call; here it only means that there is nothing to tell. */
  #changed(): boolean {
    try {
      if (this.#store.generation !== this.#generation) {
        // The news of another file have numbers of their own.
        this.start();
        this.#onOtherFile();
        return true;
      }
      const version = this.#store.sql(DATA_VERSION).get()?.data_version;
      if (version === this.#version) return false;
      this.passOn();
      this.#passOnOrders();
      this.#version = version;
      return true;
    } catch (error) {
      return !isBusy(error);
    }
  }

  async #probe(signal: AbortSignal): Promise<void> {
    await sleep(PROBE_MS, signal);
    try {
      await this.#store.write(1, (tx) => tx.sql(PROBE).run(), signal);
    } catch {
      // The store has noted why; the next round tries again.
      signal.throwIfAborted();
    }
  }
}

/**
 * Reloads of an executor, one at a time: its settings are read again and its handlers loaded anew. Those that are asked
 * for while one is under way become one more. Where one fails, all stays as it was, and log and status say why.
 */
import { getLogger } from "@logtape/logtape";
import { type CancelScope, isCancellation, Latch } from "../../concurrency/index.ts";
import type { Settings } from "../../config/settings.ts";
import { describe } from "../output/report-failure.ts";
import { type ChangedSettings, changedSettings } from "./changed-settings.ts";
import type { LoadedHandlers } from "./loaded-handlers.ts";

const log = getLogger(["taskexe", "reload"]);

export interface ReloadParts {
  /** @throws ConfigError. */
  readonly read: () => Settings;
  readonly handlers: LoadedHandlers;
  /** The executor leaves: nothing is reloaded any more. */
  readonly isLeaving: () => boolean;
  /** Takes the settings over; those that need a restart are as they were. */
  readonly take: (settings: Settings) => Promise<void>;
}

export class Reloads {
  readonly #parts: ReloadParts;
  #settings: Settings;
  #wanted = new Latch();
  #reason = "";

  /** @param settings - those that the executor has started with. */
  constructor(settings: Settings, parts: ReloadParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** Asks for one. @param reason - as the log tells it. */
  request(reason: string): void {
    if (this.#parts.isLeaving()) {
      log.info("{reason}: the executor leaves, and nothing is reloaded", { reason });
      return;
    }
    this.#reason = reason;
    this.#wanted.set();
  }

  /** Reloads whenever it is asked for. @throws (rejects) the cancel. */
  async run(scope: CancelScope): Promise<never> {
    for (;;) {
      await this.#wanted.wait(scope.signal);
      if (this.#parts.handlers.isFull) {
        log.warn("{reason}: the reload waits, since two earlier generations have not left yet", {
          reason: this.#reason,
        });
        await this.#parts.handlers.room(scope.signal);
      }
      this.#wanted = new Latch();
      if (!this.#parts.isLeaving()) await this.#reload(scope);
    }
  }

  async #reload(scope: CancelScope): Promise<void> {
    const { read, handlers, take } = this.#parts;
    log.info("{reason}: settings and handlers are loaded anew", { reason: this.#reason });
    try {
      handlers.tellReload({ state: "loading" });
      const now = read();
      for (const warning of now.warnings) if (!this.#settings.warnings.includes(warning)) log.warn(warning);
      const changed = changedSettings(this.#settings, now);
      await handlers.load(changed.settings, scope);
      this.#settings = changed.settings;
      await take(changed.settings);
      handlers.tellReload(null);
      tell(handlers, changed);
    } catch (error) {
      if (isCancellation(error, scope)) throw error;
      this.tellFailure(error);
    }
  }

  /** All stays as it was; log and status say why. */
  tellFailure(error: unknown): void {
    const { handlers } = this.#parts;
    const { generation } = handlers;
    const reason = describe(error).join("; ");
    handlers.tellReload({ state: "failed", reason });
    if (generation > 0)
      log.error("the reload has failed, and generation {generation} goes on: {reason}", { generation, reason });
    else log.error("nothing is loaded, and nothing runs, until this is mended and saved: {reason}", { reason });
  }
}

function tell(handlers: LoadedHandlers, { taken, kept }: ChangedSettings): void {
  const { generation } = handlers;
  log.info("generation {generation} is in charge: handlers {handlers}{changed}", {
    ...{ generation, handlers: handlers.types().join(",") },
    changed: taken.length === 0 ? "" : `; taken over: ${taken.join(", ")}`,
  });
  if (kept.length === 0) return;
  log.warn("a restart is needed for: {kept}; until then they stay as they were", { kept: kept.join(", ") });
}

/** What an executor is told: its options, and its sources, from the settings. */
import { hasKeySources } from "../../broker/drivers.ts";
import { ConfigError } from "../../config/config-error.ts";
import type { Settings } from "../../config/settings.ts";
import { NEEDS_KEYS } from "../../config/tables/source-tables.ts";
import { type MovedSource, movedSource } from "../../executor/intake/source-figures.ts";
import { DEFAULT_HEARTBEAT_MS, type ExecutorOptions } from "../../executor/options.ts";
import { VERSION } from "../../version.ts";

/**
 * `own` is what no setting says.
 *
 * @throws ConfigError where the broker has no keys for sources that need them.
 */
export function executorOptions(
  settings: Settings,
  own: { readonly name: string; readonly once: boolean },
): ExecutorOptions {
  const { concurrency, graceMs, abandonedLimit } = settings;
  const { attempts, foreignAttempts, heartbeatTimeoutMs, crashBudget, retryLaterLimit } = settings;
  const { timeoutMs, retentionMs, deadRetentionMs } = settings;
  const { backoff: kind, backoffDelayMs, backoffMaxMs } = settings;
  const backoff = { kind, delay_ms: backoffDelayMs, max_ms: backoffMaxMs };
  const limits = { concurrency, graceMs, abandonedLimit };
  const ends = { attempts, foreignAttempts, backoff, crashBudget, retryLaterLimit, timeoutMs };
  const defaults = { ...ends, retentionMs, deadRetentionMs };
  // Whoever cleans up expels an executor whose beat is older than the timeout, so four fit into it.
  const heartbeatMs = Math.min(DEFAULT_HEARTBEAT_MS, heartbeatTimeoutMs / 4);
  const { queues, priorities, onDone, onDead, onCancelled } = settings;
  const ways = { ...movedSources(settings), traceAttempts: settings.traceAttempts };
  return {
    ...{ ...own, version: VERSION, priorities },
    queues,
    heartbeatMs,
    heartbeatTimeoutMs,
    ...limits,
    ...defaults,
    onDone,
    onDead,
    onCancelled,
    ...ways,
  };
}

function movedSources({ tables, broker, retentionMs }: Settings): { readonly sources?: readonly MovedSource[] } {
  const { sources } = tables;
  if (sources.length === 0) return {};
  const ofKeys = sources.filter(({ kind }) => kind !== "folder");
  if (ofKeys.length > 0 && !hasKeySources(broker)) {
    throw new ConfigError(ofKeys.map(({ origin }) => `${origin}: ${NEEDS_KEYS}`));
  }
  return {
    sources: sources.map((table) => movedSource({ ...table, retentionMs: table.retentionMs ?? retentionMs })),
  };
}

/** What /status tells of the processes that run handlers. */
import type { RunnersJson } from "../../executor/status/status.ts";
import type { GenerationsView } from "../../runners/generations/generation.ts";
import { residentBytes } from "../../runners/processes/proc.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";

/** Reads the memory of each from /proc: `runners`, `own_runners` and the workers' processes bound their number. */
export function runnersJson({ runners, ...told }: GenerationsView): Omit<RunnersJson, "generation"> {
  const processes = runners.map(({ startedAt, busySince, ...runner }) => ({
    ...runner,
    rss_bytes: residentBytes(runner.pid),
    started_at: isoWithOffset(startedAt),
    busy_since: busySince === null ? null : isoWithOffset(busySince),
  }));
  return { processes, ...told };
}

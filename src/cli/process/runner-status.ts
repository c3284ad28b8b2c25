/** What /status tells of the processes that run handlers. */
import type { RunnersJson } from "../../executor/status/status.ts";
import { residentBytes } from "../../runners/processes/proc.ts";
import type { Runners } from "../../runners/with-runners.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";

/** Reads the memory of each from /proc: `runners`, `own_runners` and the workers' processes bound their number. */
export function runnersJson({ runners, waiting, problems }: ReturnType<Runners["view"]>): RunnersJson {
  const processes = runners.map(({ startedAt, busySince, ...told }) => ({
    ...told,
    rss_bytes: residentBytes(told.pid),
    started_at: isoWithOffset(startedAt),
    busy_since: busySince === null ? null : isoWithOffset(busySince),
  }));
  return { processes, waiting, problems };
}

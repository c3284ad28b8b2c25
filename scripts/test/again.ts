/** A second run, alone, of what failed beside others: a busy machine is told from a fault. */
import type { Job, Report } from "./job.ts";
import { runInLanes } from "./lanes.ts";

export interface Outcome<J> {
  /** The last run of each job. */
  readonly reports: ReadonlyMap<J, Report>;
  /** What failed in its last run. */
  readonly failed: readonly J[];
  /** What failed beside others and passed alone. */
  readonly unsteady: readonly J[];
}

export interface Plan<J> {
  readonly jobs: readonly J[];
  readonly lanes: number;
  /** Where more than these fail, none is run again. */
  readonly mostAgain: number;
  readonly run: (job: J) => Promise<Report>;
  /** Hears of those that run again, before they do. */
  readonly tellAgain: (jobs: readonly J[]) => void;
}

/** Runs all jobs, `lanes` at a time; then what failed once more, one at a time, where that is at most `mostAgain`. */
export async function runThenAgain<J extends Pick<Job, "isAlone">>(plan: Plan<J>): Promise<Outcome<J>> {
  const { jobs, lanes, mostAgain, run, tellAgain } = plan;
  const reports = new Map<J, Report>();
  const runAndKeep = async (job: J) => void reports.set(job, await run(job));
  const failedNow = () => jobs.filter((job) => (reports.get(job)?.failed ?? 0) > 0);

  await runInLanes(lanes, jobs, runAndKeep);
  const again = failedNow();
  if (again.length === 0 || again.length > mostAgain) return { reports, failed: again, unsteady: [] };
  tellAgain(again);
  await runInLanes(1, again, runAndKeep);
  const failed = failedNow();
  return { reports, failed, unsteady: again.filter((job) => !failed.includes(job)) };
}

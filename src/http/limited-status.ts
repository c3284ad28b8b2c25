/**
 * The status for whoever is limited to some queues: what others' tasks are, say and count is left out, here and in the
 * beats of the fleet. What the machine does as a whole, its memory and its broker, stays.
 */
import type { ExecutorStatus } from "../executor/status/status.ts";
import { OTHER, OUTCOME, type PairCounts } from "../metrics/task-series.ts";
import { limitedMember } from "../operations/limits/limited-broker.ts";

/** @param pairs - what this executor has counted by queue and type. */
export function limitedStatus(
  status: ExecutorStatus,
  queues: ReadonlySet<string>,
  pairs: Iterable<PairCounts>,
): ExecutorStatus {
  const { sources: _sources, runners: _runners, current_left_out: _left, queues_left_out: _more, ...more } = status;
  const { types: _types, ...rest } = more;
  const current = Object.entries(status.current).filter(([, { queue }]) => queues.has(queue));
  const seen = status.queues.filter(({ name }) => queues.has(name));
  return {
    ...rest,
    current: Object.fromEntries(current),
    slots_taken: current.length,
    ...endsOf(pairs, queues),
    left: 0,
    stops: { heeded: 0, killed: 0, abandoned: 0, last: [] },
    abandoned: current.filter(([, { ignoring_cancel }]) => ignoring_cancel === true).length,
    pending: seen.reduce((sum, { running }) => sum + running, 0),
    lag: seen.reduce((sum, { queued }) => sum + queued, 0),
    vanished: { count: 0, ids: [], counted_at: null },
    queues: seen,
    fleet: status.fleet.map((member) => limitedMember(member, queues)),
  };
}

/** Those of these queues. What has no place of its own is counted together, under a name that a queue may have, too. */
export function pairsOf(pairs: Iterable<PairCounts>, queues: ReadonlySet<string>): PairCounts[] {
  return [...pairs].filter(({ queue }) => queues.has(queue) && queue !== OTHER);
}

type Ends = Pick<ExecutorStatus, "done" | "dead" | "cancelled" | "failed" | "retried" | "lost">;

function endsOf(pairs: Iterable<PairCounts>, queues: ReadonlySet<string>): Ends {
  const ours = pairsOf(pairs, queues);
  const sum = (outcome: keyof typeof OUTCOME): number =>
    ours.reduce((all, { outcomes }) => all + (outcomes[OUTCOME[outcome]] ?? 0), 0);
  const [dead, retried] = [sum("dead"), sum("retry")];
  const ends = { done: sum("done"), cancelled: sum("cancelled"), lost: sum("lost") };
  return { ...ends, dead, retried, failed: retried + dead };
}

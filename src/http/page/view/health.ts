/** What is not right in the fleet, each with its number and where to look: the rules of the alerts, told in words. */
import type { ExecutorStatus } from "../../../executor/status/status.ts";
import { at, span } from "./format.ts";
import { PAGE_ROOT, tasksPath } from "./page.ts";
import { firstLine } from "./text.ts";
import { words } from "./words.ts";

export interface Finding {
  readonly severity: "bad" | "warn";
  readonly text: string;
  readonly href: string;
}

/** How long a task may wait before it is told, in ms. */
const LONG_WAIT_MS = 5 * 60_000;
/** As for all who reckon with executors: two beats were missed. */
export const LIVES_MS = 75_000;

/** Those whose last beat is young enough. @param now - Unix ms. */
export function livingMembers(status: ExecutorStatus, now = at(status.now)): ExecutorStatus["fleet"] {
  return status.fleet.filter(({ at: beat }) => beat !== null && now - at(beat) < LIVES_MS);
}

/** A number of a beat; 0 where it has none. */
export function figure(member: ExecutorStatus["fleet"][number], key: string): number {
  const value = (member.beat as Readonly<Record<string, unknown>> | null)?.[key];
  return typeof value === "number" ? value : 0;
}

/**
 * How many attempts have failed since it booted. The `failed` of a heartbeat is that of the wire contract, which counts
 * tasks that are not done.
 */
export function failedAttempts(member: ExecutorStatus["fleet"][number], status: ExecutorStatus): number {
  return member.name === status.name ? status.failed : figure(member, "retried") + figure(member, "dead");
}

/** The slots of all who live, and how many of them are busy: our own as they are now, others' as they last told. */
export function slotsOf(status: ExecutorStatus): { readonly taken: number; readonly slots: number } {
  const others = livingMembers(status).filter(({ name }) => name !== status.name);
  const sum = (key: string, own: number): number => others.reduce((all, member) => all + figure(member, key), own);
  return { taken: sum("slots_taken", status.slots_taken), slots: sum("concurrency", status.concurrency) };
}

/**
 * All that is to be looked at, the worst first.
 *
 * @param oldest - since when the first task of a queue waits, Unix ms.
 */
export function findings(status: ExecutorStatus, oldest: Readonly<Record<string, number>>): Finding[] {
  const now = at(status.now);
  return [...ofBroker(status), ...ofQueues(status, oldest, now), ...ofExecutors(status, now)].sort(
    (a, b) => Number(a.severity === "warn") - Number(b.severity === "warn"),
  );
}

function ofBroker({ broker, vanished }: ExecutorStatus): Finding[] {
  const href = `${PAGE_ROOT}/executors`;
  const found: Finding[] = [];
  const why = firstLine(broker.last_error ?? "?", 200);
  if (broker.state === "away") found.push({ severity: "bad", text: words.health.away(why), href });
  if (broker.state === "refusing") found.push({ severity: "bad", text: words.health.refusing(why), href });
  for (const warning of broker.warnings) found.push({ severity: "warn", text: firstLine(warning, 300), href });
  if (vanished.count > 0)
    found.push({ severity: "bad", text: words.health.vanished(vanished.count), href: tasksPath("state:queued") });
  return found;
}

function ofQueues({ queues }: ExecutorStatus, oldest: Readonly<Record<string, number>>, now: number): Finding[] {
  const found: Finding[] = [];
  for (const { name, queued, paused, executors } of queues) {
    const href = tasksPath(`state:queued queue:${name}`);
    const since = oldest[name];
    if (queued > 0 && paused) found.push({ severity: "warn", text: words.health.paused(name, queued), href });
    else if (queued > 0 && executors === 0) {
      found.push({ severity: "bad", text: words.health.nobody(name, queued), href });
    } else if (queued > 0 && since !== undefined && now - since > LONG_WAIT_MS) {
      found.push({ severity: "warn", text: words.health.old(name, span(now - since)), href });
    }
  }
  const dead = queues.reduce((sum, queue) => sum + queue.dead, 0);
  if (dead > 0) found.push({ severity: "warn", text: words.health.dead(dead), href: `${PAGE_ROOT}/dead` });
  return found;
}

function ofExecutors(status: ExecutorStatus, now: number): Finding[] {
  const href = `${PAGE_ROOT}/executors`;
  const found: Finding[] = [];
  const living = livingMembers(status, now);
  const silent = status.fleet.length - living.length;
  // A fleet that was never read tells nothing.
  if (status.counted_at !== null && living.length === 0)
    found.push({ severity: "bad", text: words.health.noExecutor, href });
  else if (silent > 0) found.push({ severity: "warn", text: words.health.silent(silent), href });
  if (status.state === "draining") found.push({ severity: "warn", text: words.health.draining, href });
  if (status.abandoned > 0) found.push({ severity: "bad", text: words.health.ignoring(status.abandoned), href });
  if (status.lost > 0) found.push({ severity: "warn", text: words.health.lost(status.lost), href });
  const { taken, slots } = slotsOf(status);
  const waiting = status.queues.reduce((sum, queue) => sum + queue.queued, 0);
  if (slots > 0 && taken >= slots && waiting > 0)
    found.push({ severity: "warn", text: words.health.saturated(slots, waiting), href: tasksPath("state:queued") });
  return found;
}

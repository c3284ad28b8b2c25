/**
 * The heartbeats: the first at once, then one every 30 s whatever the tasks do, the last on leaving. Each registers
 * the executor again. Between them one a second at most where what they tell has changed, each in the place of the one
 * before: the series keeps one every 30 s. The JSON holds every key that readers of the wire contract expect.
 */

import type { Broker } from "../broker/broker.ts";
import { type CapacityLimiter, sleep } from "../concurrency/index.ts";
import { isoWithOffset } from "./iso-time.ts";
import type { Identity } from "./own-name.ts";
import { untilAvailable } from "./patience.ts";
import type { RunningTasks } from "./running.ts";
import type { Tally } from "./tally.ts";

/** How many types a beat names: beats are kept for half an hour. */
const MOST_TYPES = 100;
/** So long after a beat the next one may follow that is not due, in ms. */
const CHANGED_MS = 1_000;
/** A beat with long messages in it waits a second more for so many characters: it must not fill the line. */
const CHARACTERS_A_SECOND = 1_000_000;

export interface HeartbeatParts {
  readonly broker: Broker;
  readonly running: RunningTasks;
  readonly tally: Tally;
  readonly name: string;
  readonly version: string;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Whose tasks it runs; null: not told. */
  readonly serves: { readonly queues: readonly string[]; readonly types: () => readonly string[] } | null;
  readonly bootAt: number;
  readonly ipAddress: string;
}

/** The JSON of one beat. */
export async function heartbeatJson(parts: HeartbeatParts): Promise<string> {
  const { pending, lag } = await parts.broker.backlog();
  const figures = JSON.stringify({
    ip_address: parts.ipAddress,
    pid: process.pid,
    name: parts.name,
    now: isoWithOffset(parts.broker.now()),
    boot_at: isoWithOffset(parts.bootAt),
    pending,
    lag,
    done: parts.tally.done,
    // As the readers of the wire contract know it; the next three tell them apart.
    failed: parts.tally.notDone,
    dead: parts.tally.dead,
    cancelled: parts.tally.cancelled,
    retried: parts.tally.retried,
    version: parts.version,
    concurrency: parts.concurrency,
    slots_taken: parts.running.slots,
    started: startsOf(parts.running),
    lease_ms: parts.leaseMs,
    ...servedBy(parts),
  });
  return `${figures.slice(0, -1)},"current":${currentJson(parts.running)}}`;
}

/** What it serves, for whoever wonders why a task waits (broker/operations/waiting.ts). */
function servedBy({ serves }: HeartbeatParts): Record<string, unknown> {
  if (serves === null) return {};
  const types = serves.types();
  const left = types.length - MOST_TYPES;
  return { queues: serves.queues, types: types.slice(0, MOST_TYPES), ...(left > 0 ? { more_types: left } : {}) };
}

/** From id to the whole task, as it came: the objects made of it are the handler's by now, who may have changed them. */
function currentJson(running: RunningTasks): string {
  const tasks = new Map<string, string>();
  for (const { message, delivery } of running) {
    if (message !== null && delivery.raw !== null) tasks.set(message.id, delivery.raw);
  }
  return `{${[...tasks].map(([id, raw]) => `${JSON.stringify(id)}:${raw}`).join(",")}}`;
}

/** When each of those began, Unix ms on the broker's clock, by id. */
function startsOf(running: RunningTasks): Record<string, number> {
  const starts: [string, number][] = [];
  for (const { message, startedAt } of running) if (message !== null) starts.push([message.id, Math.round(startedAt)]);
  return Object.fromEntries(starts);
}

/** Beats once; one that is not due gives way to the next. @returns how many characters the beat has. */
export async function beat(parts: HeartbeatParts, isDue = true): Promise<number> {
  const json = await heartbeatJson(parts);
  await parts.broker.beat(json, isDue);
  return json.length;
}

/** The same as long as a beat would tell the same of our own. */
function changesOf({ running, tally }: HeartbeatParts): string {
  const { dead, cancelled, retried, lost, done } = tally;
  return [running.begun, running.size, running.slots, done, dead, cancelled, retried, lost].join(" ");
}

/**
 * Beats until the signal aborts; one that fails is tried again until the broker is back.
 *
 * @param everyMs - when a beat is due, however little has changed.
 * @param mayBeat - asked before each: false leaves it out.
 * @param turn - held while a beat is under way; whoever leaves takes it for good, and none comes after that.
 */
export async function keepBeating(
  parts: HeartbeatParts,
  everyMs: number,
  mayBeat: () => Promise<boolean>,
  turn: CapacityLimiter,
  signal: AbortSignal,
): Promise<never> {
  // As of the first beat, which was sent before: nothing ran then, and nothing does yet.
  let told = changesOf(parts);
  let length = 0;
  let dueAt = performance.now() + everyMs;
  for (;;) {
    const leftMs = Math.max(dueAt - performance.now(), 0);
    await sleep(Math.min(leftMs, CHANGED_MS + (length / CHARACTERS_A_SECOND) * 1_000), signal);
    const isDue = performance.now() >= dueAt;
    const changes = changesOf(parts);
    if (!isDue && changes === told) continue;
    await untilAvailable(async () => {
      await turn.withPermit(signal, async () => {
        if (await mayBeat()) length = await beat(parts, isDue);
      });
    }, signal);
    told = changes;
    if (isDue) dueAt = performance.now() + everyMs;
  }
}

/** Who beats. */
export function identityOf({ name, bootAt, ipAddress }: HeartbeatParts): Identity {
  return { name, pid: process.pid, bootAt: isoWithOffset(bootAt), ipAddress };
}

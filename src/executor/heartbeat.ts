/**
 * The heartbeats: the first at once, then one every 30 s whatever the tasks do, the last on leaving. Each registers
 * the executor again. The JSON holds every key that readers of the wire contract expect.
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
    failed: parts.tally.failed,
    version: parts.version,
    concurrency: parts.concurrency,
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

/** Beats once. */
export async function beat(parts: HeartbeatParts): Promise<void> {
  await parts.broker.beat(await heartbeatJson(parts));
}

/**
 * Beats until the signal aborts; one that fails is tried again until the broker is back.
 *
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
  const beatIfAllowed = async (): Promise<void> => {
    if (await mayBeat()) await beat(parts);
  };
  for (;;) {
    await sleep(everyMs, signal);
    await untilAvailable(() => turn.withPermit(signal, beatIfAllowed), signal);
  }
}

/** Who beats. */
export function identityOf({ name, bootAt, ipAddress }: HeartbeatParts): Identity {
  return { name, pid: process.pid, bootAt: isoWithOffset(bootAt), ipAddress };
}

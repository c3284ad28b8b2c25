/**
 * The JSON of a heartbeat, with every key that readers of the wire contract expect, and never more than `MOST_BYTES`:
 * whoever looks at the fleet reads those of all executors. Of the tasks that run the ids and types come first, then
 * whole tasks as long as there is room, and a count says how many are left out. The small form names none of them.
 */
import type { Broker } from "../../broker/broker.ts";
import type { Handlers } from "../../handlers/handler.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";
import type { ExecutorOptions } from "../options.ts";
import { outsideAddress } from "../status/ip-address.ts";
import type { RunnersSource } from "../status/status.ts";
import type { Tally } from "../status/tally.ts";
import { workOf } from "../status/work.ts";
import type { Orders } from "./orders.ts";

/** The longest beat, in bytes of UTF-8. */
export const MOST_BYTES = 64 * 1024;
/** Of those, at the most for the names of queues, for those of types, and for the starts of tasks. */
const MOST_QUEUE_BYTES = 8 * 1024;
const MOST_TYPE_BYTES = 8 * 1024;
const MOST_START_BYTES = 16 * 1024;
/** How many types a beat names, and how many runners. */
const MOST_TYPES = 100;
const MOST_RUNNERS = 40;

export interface HeartbeatParts {
  readonly broker: Broker;
  readonly running: RunningAttempts;
  readonly tally: Tally;
  readonly name: string;
  readonly version: string;
  /** It may change. */
  concurrency: number;
  /** Whose tasks it runs; null: not told. */
  readonly serves: { readonly queues: readonly string[]; readonly types: () => readonly string[] } | null;
  readonly bootAt: number;
  readonly ipAddress: string;
  /** Those that run its handlers; absent: they all run in the executor itself. */
  readonly runners?: Pick<RunnersSource, "view"> | undefined;
  /** What it was told from outside; absent: it takes no orders. */
  readonly orders?: Orders | undefined;
  /** Whether it drains; absent: it does not. */
  readonly isLeaving?: (() => boolean) | undefined;
}

/** What the beats of one executor tell. @param bootAt - Unix ms. */
export function heartbeatParts({
  options: { name, version, concurrency, ipAddress = outsideAddress(), queues },
  handlers,
  ...parts
}: Pick<HeartbeatParts, "broker" | "running" | "tally" | "bootAt" | "runners" | "isLeaving" | "orders"> & {
  readonly options: ExecutorOptions;
  readonly handlers: Pick<Handlers, "types">;
}): HeartbeatParts {
  const serves = queues === undefined ? null : { queues, types: () => handlers.types() };
  return { ...parts, name, version, concurrency, ipAddress, serves };
}

/** One beat, and what stays of it once a later one has come. */
export interface BeatJson {
  readonly whole: string;
  readonly small: string;
}

/** What is told just now. */
export async function beatJson(parts: HeartbeatParts): Promise<BeatJson> {
  const { pending, lag } = await parts.broker.backlog();
  const figures = {
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
    state: parts.isLeaving?.() ? "draining" : "running",
    ...(parts.orders?.isQuiet ? { quiet: true } : {}),
    ...(parts.orders?.last === undefined ? {} : { order: parts.orders.last }),
    lease_ms: parts.broker.leaseMs,
    stops: parts.tally.stops.json(),
  };
  const beside = {
    ...figures,
    started: startsOf(parts.running),
    ...servedBy(parts),
    ...runnersOf(parts),
    ...countedBy(parts),
  };
  const { current, more } = currentOf(parts.running, (room) => {
    const head = { ...beside, current_left_out: Number.MAX_SAFE_INTEGER, current: {} };
    return room - bytesOf(JSON.stringify(head));
  });
  const head = { ...beside, ...(more > 0 ? { current_left_out: more } : {}) };
  // Behind all others, so that whoever reads many beats can cut it off unread.
  const whole = `${JSON.stringify(head).slice(0, -1)},"current":${current}}`;
  return { whole, small: JSON.stringify({ ...figures, current: {} }) };
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}

/**
 * What it serves, for whoever wonders why a task waits (operations/watch/waiting.ts): all queues, or nothing is told.
 */
function servedBy({ serves }: HeartbeatParts): Record<string, unknown> {
  if (serves === null) return {};
  const { queues } = serves;
  const all = serves.types();
  const types = fitting(all.slice(0, MOST_TYPES), MOST_TYPE_BYTES);
  const left = all.length - types.length;
  return {
    ...(fitting(queues, MOST_QUEUE_BYTES).length < queues.length ? {} : { queues }),
    ...{ types, ...(left > 0 ? { more_types: left } : {}) },
  };
}

/** The processes that run its handlers, the longest-lived first. */
function runnersOf({ runners }: HeartbeatParts): Record<string, unknown> {
  if (runners === undefined) return {};
  const { processes } = runners.view();
  if (processes.length === 0) return {};
  const told = processes.slice(0, MOST_RUNNERS).map(({ started_at: _startedAt, ...runner }) => runner);
  const left = processes.length - told.length;
  return { runners: told, ...(left > 0 ? { more_runners: left } : {}) };
}

/** What it has counted, by queue and type. */
function countedBy({ tally, running }: HeartbeatParts): Record<string, unknown> {
  const work = workOf(tally, running);
  return work === null ? {} : { work };
}

/** The first of these names, as far as there is room for their JSON. */
function fitting(names: readonly string[], room: number): readonly string[] {
  let left = room;
  const end = names.findIndex((name) => {
    left -= bytesOf(JSON.stringify(name)) + 1;
    return left < 0;
  });
  return end < 0 ? names : names.slice(0, end);
}

/** One running task: by its id alone, and whole. */
interface Told {
  readonly id: string;
  readonly type: string;
  readonly raw: string;
}

/**
 * From id to the whole task, as it came: the objects made of it are the handler's by now, who may have changed them.
 *
 * @param roomOf - how much of so many bytes is left for it.
 */
function currentOf(
  running: RunningAttempts,
  roomOf: (bytes: number) => number,
): { readonly current: string; readonly more: number } {
  const tasks = new Map<string, Told>();
  for (const { message, delivery } of running) {
    if (message !== null && delivery.raw !== null)
      tasks.set(message.id, { id: message.id, type: message.type, raw: delivery.raw });
  }
  if (tasks.size === 0) return { current: "{}", more: 0 };
  let left = roomOf(MOST_BYTES);
  const parts: { readonly key: string; text: string; readonly raw: string }[] = [];
  for (const { id, type, raw } of tasks.values()) {
    if (left <= 0) break;
    const key = `${JSON.stringify(id)}:`;
    const text = JSON.stringify({ id, task_type: type });
    const bytes = bytesOf(key) + bytesOf(text) + 1;
    if (bytes > left) continue;
    left -= bytes;
    parts.push({ key, text, raw });
  }
  for (const part of parts) {
    // A character is a byte at least: what cannot fit is not counted.
    if (part.raw.length - part.text.length > left) continue;
    const more = bytesOf(part.raw) - bytesOf(part.text);
    if (more > left) continue;
    left -= more;
    part.text = part.raw;
  }
  return { current: `{${parts.map(({ key, text }) => key + text).join(",")}}`, more: tasks.size - parts.length };
}

/** When each of those began, Unix ms on the broker's clock, by id: the oldest, as far as there is room. */
function startsOf(running: RunningAttempts): Record<string, number> {
  const starts: [string, number][] = [];
  let left = MOST_START_BYTES;
  for (const { message, hasBegun, startedAt } of running) {
    if (message === null || !hasBegun) continue;
    const at = Math.round(startedAt);
    left -= bytesOf(JSON.stringify(message.id)) + String(at).length + 2;
    if (left < 0) break;
    starts.push([message.id, at]);
  }
  return Object.fromEntries(starts);
}

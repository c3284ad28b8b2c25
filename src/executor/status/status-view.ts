/**
 * What /status shows. Figures of our own come from memory as they are; those of the broker are read while somebody
 * looks (broker-look.ts), and shown with the time of that: an answer never waits for a broker that is away.
 */

import type { Broker, Vanished } from "../../broker/broker.ts";
import type { WorkJson } from "../../metrics/work-json.ts";
import { brokerView } from "../../operations/views/broker-view.ts";
import { memberView } from "../../operations/views/member-view.ts";
import { typeFigures } from "../../operations/views/type-view.ts";
import { runtime } from "../../runtime/index.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";
import { tracing } from "../../tracing/tracing.ts";
import type { Attempt } from "../attempt/attempt.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";
import type { ExecutorOptions } from "../options.ts";
import { BrokerLook } from "./broker-look.ts";
import type { CurrentTask, ExecutorState, ExecutorStatus, Readiness, RunnersJson, RunnersSource } from "./status.ts";
import type { Tally } from "./tally.ts";
import { workOf } from "./work.ts";

/** How much is told of the tasks that run, and of the fleet, in bytes of JSON. */
const MOST_CURRENT_BYTES = 128 * 1024;
const MOST_FLEET_BYTES = 512 * 1024;
/** A claim loop that made no progress for this long is stuck, in ms; a claim that finds nothing waits 5 s at most. */
const STUCK_MS = 15_000;

/** What an executor is that neither starts nor leaves, by how it stands with its broker. */
export const WITH_BROKER = { connected: "running", away: "disconnected", refusing: "refused" } as const;

export interface StatusParts {
  readonly broker: Broker;
  /** Shared by all who show the broker's figures; absent: one of its own. */
  readonly look?: BrokerLook;
  readonly running: RunningAttempts;
  readonly tally: Tally;
  readonly options: ExecutorOptions;
  /** Unix ms. */
  readonly bootAt: number;
  /** Those that run its handlers; absent: there are none. */
  readonly runners?: RunnersSource | undefined;
}

export class StatusView {
  readonly #parts: StatusParts;
  readonly #bootMonotonic = performance.now();
  readonly #look: BrokerLook;
  #vanished: Vanished | null = null;

  constructor(parts: StatusParts) {
    this.#parts = parts;
    this.#look = parts.look ?? new BrokerLook(parts.broker);
  }

  /** What the last clean-up has seen of tasks that nothing holds. */
  note(vanished: Vanished): void {
    this.#vanished = vanished;
  }

  status(state: ExecutorState): ExecutorStatus {
    const { broker, running, tally, options, bootAt } = this.#parts;
    // Whoever asks now and again shall see them move.
    this.#look.want();
    const current = this.#current();
    const { queues, own, leftOut, countedAt } = this.#look.seen;
    const ours = queues.slice(0, own);
    const fleet = fitting(this.#look.seen.fleet, MOST_FLEET_BYTES);
    const { rssBytes, heapBytes, maxRssBytes } = runtime.memory();
    const runners = this.#parts.runners?.view();
    const told = tracing();
    return {
      name: options.name,
      pid: process.pid,
      version: options.version,
      state,
      boot_at: isoWithOffset(bootAt),
      now: isoWithOffset(broker.now()),
      uptime_s: Math.round(performance.now() - this.#bootMonotonic) / 1000,
      concurrency: options.concurrency,
      slots_taken: running.slots,
      current: Object.fromEntries(current.list),
      ...(current.left > 0 ? { current_left_out: current.left } : {}),
      done: tally.done,
      dead: tally.dead,
      cancelled: tally.cancelled,
      failed: tally.failed,
      retried: tally.retried,
      lost: tally.lost,
      left: tally.left,
      stops: tally.stops.json(),
      ...typesOf(workOf(tally, running)),
      abandoned: running.abandonedCount,
      counted_at: countedAt === null ? null : isoWithOffset(countedAt),
      pending: ours.reduce((sum, queue) => sum + queue.running, 0),
      lag: ours.reduce((sum, queue) => sum + queue.queued, 0),
      memory: { rss_bytes: rssBytes, heap_bytes: heapBytes, max_rss_bytes: maxRssBytes },
      ...(runners === undefined ? {} : { runners }),
      ...(options.sources === undefined ? {} : { sources: options.sources.map(({ figures }) => figures) }),
      ...(told === null ? {} : { spans: told.counts }),
      broker: brokerView(broker),
      vanished: vanishedView(this.#vanished),
      queues,
      ...(leftOut > 0 ? { queues_left_out: leftOut } : {}),
      fleet: fleet.list.map(memberView),
      ...(fleet.left > 0 ? { fleet_left_out: fleet.left } : {}),
    };
  }

  /**
   * @param noSlotLeft - whether tasks that ignore their cancel hold all of them.
   * @param unrecorded - why what has ended is not recorded; null where it is.
   */
  readiness(state: ExecutorState, claimIdleMs: number, noSlotLeft: boolean, unrecorded: string | null): Readiness {
    const { state: broker, lastError } = this.#parts.broker.connection();
    switch (state) {
      case "starting": {
        const runners = this.#parts.runners?.view();
        if (runners?.generation === 0) return { ready: false, reason: `starting: ${whatIsAwaited(runners)}` };
        const why = broker === "refusing" ? "the broker is refusing" : "the broker has not answered yet";
        return { ready: false, reason: `starting: ${why}${lastError === null ? "" : `: ${lastError}`}` };
      }
      case "draining":
        return { ready: false, reason: "draining: nothing is claimed any more" };
      case "disconnected":
        return { ready: false, reason: `disconnected from the broker: ${lastError ?? "no answer"}` };
      case "refused":
        return { ready: false, reason: `the broker is refusing: ${lastError ?? "it does not say why"}` };
      case "running": {
        if (unrecorded !== null) return { ready: false, reason: unrecorded };
        if (noSlotLeft) return { ready: false, reason: "tasks that ignore their cancel hold every slot" };
        if (claimIdleMs <= STUCK_MS) return { ready: true };
        const reason = `the claim loop has made no progress for ${Math.round(claimIdleMs / 1000)} s`;
        return { ready: false, reason };
      }
    }
  }

  /** By id, and how many are left out. */
  #current(): { readonly list: readonly [string, CurrentTask][]; readonly left: number } {
    const { running } = this.#parts;
    // From entries, so that an id like __proto__ is a key as any other.
    const current: [string, CurrentTask][] = [];
    for (const task of [...running, ...running.abandonedTasks()]) {
      if (task.message !== null) current.push([task.message.id, currentTask(task)]);
    }
    return fitting(current, MOST_CURRENT_BYTES);
  }
}

/** From entries, so that a type like __proto__ is a key as any other. */
function typesOf(work: WorkJson | null): Pick<ExecutorStatus, "types"> {
  return work === null ? {} : { types: Object.fromEntries(typeFigures([work])) };
}

/** The first of a list, as far as there is room for their JSON, in bytes, and how many are left out. */
function fitting<T>(list: readonly T[], room: number): { readonly list: readonly T[]; readonly left: number } {
  let left = room;
  const end = list.findIndex((each) => {
    left -= Buffer.byteLength(JSON.stringify(each));
    return left < 0;
  });
  return end < 0 ? { list, left: 0 } : { list: list.slice(0, end), left: list.length - end };
}

function vanishedView(vanished: Vanished | null): ExecutorStatus["vanished"] {
  if (vanished === null) return { count: 0, ids: [], counted_at: null };
  const { count, ids, countedAt } = vanished;
  return { count, ids, counted_at: isoWithOffset(countedAt) };
}

function whatIsAwaited({ awaited }: RunnersJson): string {
  return awaited.length === 0 ? "the handlers are being loaded" : `no hello yet from ${awaited.join(", ")}`;
}

function currentTask(task: Attempt): CurrentTask {
  return {
    type: task.message?.type ?? "",
    attempt: task.attempt,
    progress: task.progress,
    message: task.lastMessage,
    started_at: isoWithOffset(task.startedAt),
    queue: task.delivery.queue,
    ...(task.abandonedParts > 0 ? { ignoring_cancel: true } : {}),
  };
}

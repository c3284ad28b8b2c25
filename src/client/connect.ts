/** Connects a program to the tasks of a broker: from an address to a client that is ready. */
import * as v from "valibot";
import { ANSWER_LIMIT_MS, openWithin } from "../broker/availability.ts";
import type { Broker } from "../broker/broker.ts";
import { createBroker } from "../broker/drivers.ts";
import { openRoot } from "../concurrency/index.ts";
import { brokerOfEnvironment } from "../config/broker-choice.ts";
import { isInRunner } from "../runtime/process/in-runner.ts";
import { DURATION_RANGE, DurationSchema } from "../task/limits.ts";
import { DEFAULT_PRIORITIES, MAX_PRIORITIES } from "../task/options/enqueue-options.ts";
import { startTracing } from "../tracing/tracing.ts";
import { Client } from "./client.ts";
import { ExecutorClient } from "./executor-client.ts";
import { homeOfThread } from "./home.ts";

const DAY_MS = 24 * 3_600_000;

/** All of it optional. */
export interface ConnectOptions {
  /** The queues that `counts` counts and `list` looks through; default `["common"]`. Enqueues may name any queue. */
  readonly queues?: readonly string[];
  /** How long records are kept where neither a task nor its definition says, in ms. Default a day. */
  readonly retentionMs?: number;
  /** How many priorities the fleet has, 1 to 10: the same as the executors' setting `priorities`. Default 2. */
  readonly priorities?: number;
  /** How long to wait for a broker that is away: to connect, and for each enqueue, in ms. Default 30 000. */
  readonly waitMs?: number;
  /** How many tasks may wait to be sent, of 64 million characters together at the most. Default 10 000. */
  readonly maxWaiting?: number;
  /** Gives up connecting when it aborts. */
  readonly signal?: AbortSignal;
}

/**
 * Connects. Close the client when done, or say `await using client = await connect()`.
 *
 * @param url - `redis://HOST:PORT/DB`, `rediss://`, `unix:///PATH`, `sqlite:FILE`. Without one: in a handler, and in
 *   the Workers that it starts, the broker of its executor: through that executor, which enqueues, reads records,
 *   cancels by ids and takes locks for it, with its own retention and priorities (what else is asked throws
 *   NotThroughExecutorError); where handlers run inline, at that broker itself. Elsewhere that of `TASKEXE_BROKER` or
 *   `TASKEXE_BROKER_FILE`, else of this machine's settings, else the embedded queue: what an executor without flags
 *   works on.
 * @throws ConfigError where none of these gives an address; RangeError for an option that cannot be; BrokerUrlError
 *   where the address cannot be read; BrokerUnavailableError where nobody answers in time; the signal's reason once it
 *   aborts.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Client> {
  const home = url === undefined ? homeOfThread() : null;
  const { queues = home?.queues ?? ["common"], retentionMs = home?.retentionMs ?? DAY_MS } = options;
  const { priorities = home?.priorities ?? DEFAULT_PRIORITIES } = options;
  const { waitMs = ANSWER_LIMIT_MS, maxWaiting = 10_000, signal } = options;
  checkPriorities(priorities);
  checkDuration("retentionMs", retentionMs);
  checkDuration("waitMs", waitMs);
  if (!Number.isInteger(maxWaiting) || maxWaiting < 1) {
    throw new RangeError(`maxWaiting must be a whole number from 1, got ${maxWaiting}`);
  }
  // A runner is not told its executor's address, and what its environment means may be another queue.
  if (url === undefined && home === null && isInRunner()) {
    signal?.throwIfAborted();
    return new ExecutorClient({ waitMs, maxWaiting, retentionMs: options.retentionMs });
  }
  await startTracing(process.env);
  const address = url ?? home?.url ?? brokerOfEnvironment(process.env);
  const broker = await createBroker(address, { executor: null, queues, priorities, leaseMs: 30_000 });
  try {
    await open(broker, waitMs, signal);
  } catch (error) {
    await broker.close();
    throw error;
  }
  return new Client({ broker, retentionMs, priorities, waitMs, maxWaiting });
}

function checkPriorities(priorities: number): void {
  if (Number.isInteger(priorities) && priorities >= 1 && priorities <= MAX_PRIORITIES) return;
  throw new RangeError(`priorities must be a whole number from 1 to ${MAX_PRIORITIES}, got ${priorities}`);
}

function checkDuration(name: string, ms: number): void {
  if (!v.is(DurationSchema, ms)) throw new RangeError(`${name} ${DURATION_RANGE}, got ${ms}`);
}

async function open(broker: Broker, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  const root = openRoot({ signal });
  try {
    await openWithin(broker, root, waitMs);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    // Takes the listener off the caller's signal.
    root.cancel("connected, or given up");
  }
}

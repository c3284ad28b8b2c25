/**
 * Tasks to enqueue, claims of them, and the outcomes with which an executor that the test plays ends their attempts.
 */
import assert from "node:assert/strict";

import type { Broker, Delivery, EnqueueRequest, Outcome } from "../../src/broker/broker.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { formatMessage } from "../../src/task/message/message.ts";
import { eventually } from "./until.ts";

/** The queue of all tasks whose test names none. */
export const QUEUE = "te";

const HOUR = 3_600_000;

/** A task with a payload in the queue `common`; its record is kept for an hour. */
export function requestOf(id: string, type: string, payload: unknown): EnqueueRequest {
  const message = formatMessage({ id, type, payload });
  return { id, type, queue: "common", priority: 0, message, retentionMs: HOUR };
}

/** A task to enqueue, with whatever differs. */
export function task(id: string, other: Partial<EnqueueRequest> = {}): EnqueueRequest {
  const { type = "noop" } = other;
  const message = JSON.stringify({ id, task_type: type, payload: { of: id } });
  return { id, type, queue: QUEUE, priority: 0, retentionMs: 60_000, message, ...other };
}

export function tasks(count: number, prefix = "t"): EnqueueRequest[] {
  return Array.from({ length: count }, (_, index) => task(`${prefix}${index}`));
}

/** The id in the message of a delivery. */
export function idOf(delivery: Delivery): string {
  const message: unknown = JSON.parse(delivery.raw ?? "null");
  assert.ok(typeof message === "object" && message !== null && "id" in message, `no message: ${delivery.raw}`);
  return String(message.id);
}

/** The type in the message of a delivery; "noop" where it names none. */
export function typeOf(delivery: Delivery): string {
  const message: unknown = JSON.parse(delivery.raw ?? "null");
  const named = typeof message === "object" && message !== null && "task_type" in message;
  return named ? String(message.task_type) : "noop";
}

function base(delivery: Delivery) {
  const id = idOf(delivery);
  return {
    delivery,
    id,
    type: typeOf(delivery),
    attempt: 1,
    crashes: 0,
    startedAt: Date.now(),
    retentionMs: 60_000,
    recorded: true,
    uniqueKey: null,
    told: null,
  };
}

type Of<Kind> = Partial<Extract<Outcome, { kind: Kind }>>;

export function done(delivery: Delivery, other: Of<"done"> = {}): Outcome {
  return { ...base(delivery), result: null, ...other, kind: "done" };
}

export function retry(delivery: Delivery, other: Of<"retry"> = {}): Outcome {
  const error = { name: "Error", message: "not yet" };
  const message = JSON.stringify({ ...JSON.parse(delivery.raw ?? "null"), taskexe: { attempt: 2 } });
  return { ...base(delivery), error, delayMs: 0, message, ...other, kind: "retry" };
}

export function dead(delivery: Delivery, other: Of<"dead"> = {}): Outcome {
  return { ...base(delivery), reason: "out of attempts", error: null, ...other, kind: "dead" };
}

export function cancelledBy(delivery: Delivery, other: Of<"cancelled"> = {}): Outcome {
  return { ...base(delivery), reason: "cancelled by a client", ...other, kind: "cancelled" };
}

/** As an executor ends a task whose type is paused: it has not run. */
export function parked(delivery: Delivery, other: Of<"parked"> = {}): Outcome {
  return { ...base(delivery), type: typeOf(delivery), startedAt: null, ...other, kind: "parked" };
}

/** Claims until there are `count` of them; each claim may give fewer than asked for. */
export async function claimAll(broker: Broker, count: number, signal = openRoot().signal): Promise<Delivery[]> {
  const all: Delivery[] = [];
  await eventually(30_000, async () => {
    const some = await broker.claim(count - all.length, signal);
    assert.ok(some.length <= count - all.length, `asked for ${count - all.length}, got ${some.length}`);
    all.push(...some);
    return all.length === count;
  });
  return all;
}

/** Claims exactly one. */
export async function claimOne(broker: Broker, signal?: AbortSignal): Promise<Delivery> {
  const [one] = await claimAll(broker, 1, signal);
  assert.ok(one);
  return one;
}

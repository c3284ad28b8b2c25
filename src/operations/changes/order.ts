/**
 * What one executor is told to do, from anywhere: claim nothing, go on, leave, have other slots. It is left with the
 * broker; the executor takes it at once where it lives, and tells so in its heartbeat.
 */
import { randomUUID } from "node:crypto";
import type { Broker } from "../../broker/broker.ts";
import type { ExecutorCommand, ExecutorOrder } from "../../broker/contract/orders.ts";
import { sleep } from "../../concurrency/index.ts";

/** How often its heartbeat is looked at while somebody waits, in ms. */
const LOOK_MS = 100;

/** What is asked for. */
export interface Command {
  readonly command: ExecutorCommand;
  /** Of a resize: how many slots. */
  readonly slots?: number | undefined;
}

/** There is no such executor, or it is of another program, which takes no orders. */
export class UnknownExecutorError extends Error {
  override readonly name = "UnknownExecutorError";
}

/**
 * Tells an executor, and waits until it has done it.
 *
 * @param waitMs - how long, at the most; 0: not at all.
 * @returns whether it has told that it has. Where not, the order is there for a minute, and its next beat takes it.
 * @throws (rejects) UnknownExecutorError; the signal's reason.
 */
export async function orderExecutor(
  broker: Pick<Broker, "member" | "order">,
  name: string,
  { command, slots }: Command,
  waitMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const member = await broker.member(name);
  if (member === null) throw new UnknownExecutorError(`no executor has the name ${JSON.stringify(name)}`);
  const { pid, boot_at: bootAt, lease_ms: leaseMs } = member.beat ?? {};
  if (pid === undefined || bootAt === undefined || leaseMs === undefined) {
    const why = "its heartbeats are those of another program, which takes no orders";
    throw new UnknownExecutorError(`the executor ${JSON.stringify(name)} cannot be told anything: ${why}`);
  }
  const id = randomUUID();
  const order: ExecutorOrder = { id, command, pid, boot_at: bootAt, ...(slots === undefined ? {} : { slots }) };
  await broker.order(name, JSON.stringify(order));
  const until = performance.now() + waitMs;
  while (performance.now() < until) {
    await sleep(LOOK_MS, signal);
    const now = await broker.member(name);
    if (now?.beat?.order === id) return true;
    // It has left, as it was told; another process may have its name by now.
    if (command === "drain" && now?.beat?.boot_at !== bootAt) return true;
  }
  return false;
}

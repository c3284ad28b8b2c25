/**
 * One clean-up, under the clean-up lock: executors that are gone, old marks and consumers, what is over, then the
 * queues that nobody serves, and a look for tasks that nothing holds.
 */
import type { CleanReport, Removal } from "../broker.ts";
import { removeSome } from "../removal.ts";
import { forgetVoid } from "./claims/void-entries.ts";
import { dropConsumers } from "./group-consumers.ts";
import type { RedisParts } from "./parts.ts";

/** @param queues - those that this executor serves. */
export async function cleanUp(parts: RedisParts, queues: readonly string[]): Promise<CleanReport> {
  const { clock, fleet, cancels, connections, removal, upkeep, vanished } = parts;
  if (clock.hasStepped) await clock.read();
  const removed = await fleet.expel();
  await cancels.forgetOld(queues);
  await forgetVoid(connections, parts.streams);
  await parts.last.settleSome();
  await dropConsumers(connections, parts.streams, parts.heartbeatTimeoutMs);
  const purged = await removeSome(() => removal.step(queues));
  const others = await upkeep.tend();
  const { dropped } = others;
  return { removed, purged: purged + others.purged, dropped, vanished: await vanished.look() };
}

/** A step of what goes as it comes: what is over, and ended entries that were left in their streams. */
export async function removeEnded({ last, removal }: RedisParts, queues: readonly string[]): Promise<Removal> {
  await last.settle();
  return removal.step(queues);
}

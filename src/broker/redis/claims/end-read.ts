/** Ends a read that waits, after an abort: what it brings all the same is ours by then. */
import { sleep } from "../../../concurrency/index.ts";
import type { RedisConnections } from "../connection/connections.ts";

/** The pause between two attempts to wake a blocked read, in ms. */
const UNBLOCK_PAUSE_MS = 10;
/** A signal that never aborts, for the little that must be finished after an abort. */
const NEVER = new AbortController().signal;

/** Wakes the read and waits for what it brings: entries that were on their way, which the caller hands back. */
export async function endRead<T>(
  { reader, commands }: RedisConnections,
  reading: Promise<readonly T[]>,
): Promise<readonly T[]> {
  let ended = false;
  const late = Promise.allSettled([reading]).then((results) => {
    ended = true;
    return results;
  });
  while (!ended) {
    try {
      await commands.client("UNBLOCK", reader.id, "TIMEOUT");
    } catch {
      // Redis is away: the read fails by itself once its socket is closed.
      reader.reconnect();
    }
    if (!ended) await sleep(UNBLOCK_PAUSE_MS, NEVER);
  }
  return (await late).flatMap((result) => (result.status === "fulfilled" ? result.value : []));
}

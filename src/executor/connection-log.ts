/** Says in the log that the broker is away, once, with the reason, and that it is back, with how long it took. */
import { getLogger } from "@logtape/logtape";
import type { Broker, ConnectionState } from "../broker/broker.ts";

const logger = getLogger(["taskexe", "broker"]);

/** Begins to; gives what ends it. */
export function logConnection(broker: Pick<Broker, "url" | "onConnectionChange">): () => void {
  let awaySince: number | null = null;
  return broker.onConnectionChange(({ connected, lastError }: ConnectionState) => {
    if (connected === (awaySince === null)) return;
    if (!connected) {
      awaySince = performance.now();
      logger.warn("The broker {url} is away: {reason}; trying until it is back", {
        url: broker.url,
        reason: lastError ?? "it does not answer",
      });
      return;
    }
    const seconds = Math.round((performance.now() - (awaySince ?? 0)) / 100) / 10;
    awaySince = null;
    logger.info("The broker is back after {seconds} s", { seconds });
  });
}

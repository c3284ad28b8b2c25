/** Says in the log that the broker is away, once, with the reason, and that it is back, with how long it took. */
import { getLogger } from "@logtape/logtape";
import type { Broker, ConnectionState } from "../broker/broker.ts";

const logger = getLogger(["taskexe", "broker"]);

/** Begins to; gives what ends it. */
export function logConnection(broker: Pick<Broker, "url" | "onConnectionChange">): () => void {
  let awaySince: number | null = null;
  const warned = new Set<string>();
  return broker.onConnectionChange(({ state, lastError, warnings }: ConnectionState) => {
    for (const warning of warnings) {
      if (!warned.has(warning)) logger.warn("The broker {url}: {warning}", { url: broker.url, warning });
      warned.add(warning);
    }
    const isWell = state === "connected";
    if (isWell === (awaySince === null)) return;
    if (!isWell) {
      awaySince = performance.now();
      logger.warn(`The broker {url} is ${state}: {reason}; trying until it is back`, {
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

/** The JSON form of a broker: where it is, and how the connection to it stands. */
import type { Broker } from "../../broker/broker.ts";

export type BrokerJson = ReturnType<typeof brokerView>;

export function brokerView(broker: Pick<Broker, "kind" | "url" | "connection">) {
  const { state, lastError, warnings } = broker.connection();
  const { kind, url } = broker;
  return { kind, url, state, connected: state === "connected", last_error: lastError, warnings };
}

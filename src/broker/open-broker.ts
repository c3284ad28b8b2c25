/** From a broker address to the broker that serves it. Reading the address is here; the rest is theirs. */
import type { Broker, BrokerOptions } from "./broker.ts";
import { BrokerUrlError } from "./broker-url-error.ts";

export { BrokerUrlError };

/**
 * Makes the broker of an address: `redis://`, `rediss://`, `redis+unix:///path.sock?db=1`, `unix:///path.sock`,
 * `sqlite:PATH`. Nothing is connected yet: call `open`.
 *
 * @throws BrokerUrlError when the address cannot be read; the message never shows a password.
 */
export async function createBroker(url: string, options: BrokerOptions): Promise<Broker> {
  const scheme = url.slice(0, url.indexOf(":") + 1).toLowerCase();
  switch (scheme) {
    case "redis:":
    case "rediss:":
    case "redis+unix:":
    case "unix:": {
      const { RedisBroker } = await import("./redis/redis-broker.ts");
      return new RedisBroker(url, options);
    }
    case "sqlite:": {
      const { SqliteBroker } = await import("./sqlite/sqlite-broker.ts");
      return new SqliteBroker(url, options);
    }
    default:
      throw new BrokerUrlError(
        "the broker address must begin with redis://, rediss://, unix:// or sqlite:, got " +
          `${/^[a-z][a-z+]{1,9}:$/.test(scheme) && url.startsWith("//", scheme.length) ? `"${scheme}"` : "no scheme"}`,
      );
  }
}

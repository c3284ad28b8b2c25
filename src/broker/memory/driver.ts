/**
 * The memory broker as a driver: all brokers of one process at `memory:NAME` meet in one store. No program has it by
 * itself: a test that wants it says `registerDriver(memoryDriver)`, and forgets the store at its end.
 */
import { BrokerUrlError } from "../broker-url-error.ts";
import type { Driver } from "../driver.ts";
import { MemoryBroker } from "./memory-broker.ts";

const SCHEME = "memory:";
const FORM = "memory:NAME";

export const memoryDriver: Driver = {
  name: "memory",
  schemes: [SCHEME],
  beginnings: [SCHEME],
  forms: [FORM],
  secretSchemes: [],
  pathSchemes: [SCHEME],

  problem: (address) => (address.length > SCHEME.length ? null : FORM),
  placeOf: (url) => url,
  advise: () => null,
  isConflict: () => false,
  async create(address, options) {
    const name = address.slice(SCHEME.length);
    if (name === "") throw new BrokerUrlError(`the broker address must be ${FORM}, got none`);
    return new MemoryBroker(name, options);
  },
};

/** Fresh stores of the memory broker for the contract's sentences and for tests of the program over it. */
import { randomUUID } from "node:crypto";
import { MemoryBroker } from "../../src/broker/memory/memory-broker.ts";
import { forgetStore } from "../../src/broker/memory/store/store.ts";
import type { MakeHarness } from "./sentences.ts";

export const memoryHarness: MakeHarness = async () => {
  const name = `sentence-${randomUUID()}`;
  return {
    make: (options) => new MemoryBroker(name, options),
    end: async () => forgetStore(name),
  };
};

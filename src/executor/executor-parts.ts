/** What an executor is made of, for whoever makes one. */
import type { Broker } from "../broker/broker.ts";
import type { Handlers } from "../handlers/handler.ts";
import type { ExecutorOptions } from "./options.ts";
import type { RunnersSource } from "./status/status.ts";

export interface ExecutorParts {
  readonly broker: Broker;
  readonly handlers: Handlers;
  readonly options: ExecutorOptions;
  readonly runners?: RunnersSource | undefined;
}

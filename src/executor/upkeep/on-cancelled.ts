/** Tells the broker what follows a task that is cancelled while it waits: whoever cancels it knows no handlers. */
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker, OnCancelled } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";
import type { Handlers } from "../../handlers/handler.ts";
import type { ExecutorOptions } from "../options.ts";

/** Handlers and settings are loaded anew while an executor runs: how often that is looked for, in ms. */
const LOOK_MS = 5_000;

/** Tells it at once, and whenever it has changed. */
export async function tellOnCancelled(
  broker: Pick<Broker, "tellOnCancelled">,
  handlers: Handlers,
  options: Pick<ExecutorOptions, "onCancelled">,
  signal: AbortSignal,
): Promise<never> {
  for (let told = ""; ; await sleep(LOOK_MS, signal)) {
    const all: OnCancelled[] = handlers
      .types()
      .map((type) => ({ type, follower: handlers.get(type)?.options.onCancelled ?? null }));
    all.push({ type: "", follower: options.onCancelled ?? null });
    const text = JSON.stringify(all);
    if (text !== told && (await ifAvailable(() => broker.tellOnCancelled(all)))) told = text;
  }
}

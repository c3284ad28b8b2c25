/**
 * What all handlers of an executor stand on, for the time of a block: their runners, and the processes that are started
 * when the first of them needs one. No process is left after it.
 */
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, type Nursery, sleepForever, withNursery } from "../../concurrency/index.ts";
import { withRunners } from "../../runners/generations/with-runners.ts";
import { type RunnerProcesses, withRunnerProcesses } from "../../runners/processes/runner-processes.ts";
import { LoadedHandlers } from "../reload/loaded-handlers.ts";
import { WorkFolder } from "./command-handlers.ts";

/**
 * @param about.broker - what handlers that run apart mean by `connect()` without an address.
 * @param about.isInline - handler files run in this process.
 * @param importing - told which handler file is imported in this process; null: none any more.
 * @param body - is given handlers of which none are loaded yet, but for the built-in ones.
 * @throws (rejects) what `body` throws.
 */
export async function withHandlers(
  scope: CancelScope,
  about: { readonly broker: Broker; readonly isInline: boolean },
  importing: (file: string | null) => void,
  body: (handlers: LoadedHandlers) => Promise<void>,
): Promise<void> {
  const { broker, isInline } = about;
  const folder = new WorkFolder();
  try {
    await withNursery(
      scope,
      async (nursery) => {
        const processes = processesOf(nursery, isInline);
        await withRunners(nursery.scope, async (runners) => {
          const handlers = new LoadedHandlers({ runners, processes, folder, importing, broker, scope: nursery.scope });
          try {
            await body(handlers);
          } finally {
            handlers.close();
          }
        });
        nursery.scope.cancel("the block has ended");
      },
      { name: "handlers" },
    );
  } finally {
    folder.remove();
  }
}

/** Gives those of this executor, which it begins to look after when they are asked for first. */
function processesOf(nursery: Nursery, runsHandlers: boolean): () => Promise<RunnerProcesses> {
  let begun: Promise<RunnerProcesses> | null = null;
  const begin = (): Promise<RunnerProcesses> =>
    nursery.start<RunnerProcesses>(
      nursery.scope,
      ({ scope }, started) =>
        withRunnerProcesses(scope, { folder: null, runsHandlers }, async (processes) => {
          started(processes);
          await sleepForever(scope.signal);
        }),
      { name: "processes" },
    );
  return () => {
    begun ??= begin();
    return begun;
  };
}

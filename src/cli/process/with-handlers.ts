/**
 * All handlers of an executor for the time of a block: those of files, in this process or in runners, those of workers,
 * the endpoints and the commands. Runners have said hello before the block begins, and none is left after it.
 */
import { type CancelScope, findError } from "../../concurrency/index.ts";
import type { Settings } from "../../config/settings.ts";
import type { RunnersSource } from "../../executor/status/status.ts";
import { HandlerSet } from "../../handlers/handler-set.ts";
import { loadHandlers } from "../../handlers/loading/load-handlers.ts";
import { DuplicateHandlerError } from "../../handlers/registry.ts";
import { providedModules } from "../../provide/index.ts";
import { type RunnerProcesses, withRunnerProcesses } from "../../runners/processes/runner-processes.ts";
import { RunnerStartError } from "../../runners/starts.ts";
import { withRunners } from "../../runners/with-runners.ts";
import { addCommands, withWorkFolder } from "./command-handlers.ts";
import { CommandFailure, EXIT_USAGE } from "./exit.ts";
import { poolOptions, runnerKinds } from "./runner-kinds.ts";
import { runnersJson } from "./runner-status.ts";
import { addEndpoints } from "./table-handlers.ts";

/**
 * @param importing - told which handler file is imported in this process; null: none any more.
 * @throws (rejects) CommandFailure where a kind of handlers cannot be started; what the loading or `body` throws.
 */
export async function withHandlers(
  scope: CancelScope,
  settings: Settings,
  importing: (file: string | null) => void,
  body: (handlers: HandlerSet, runners?: RunnersSource) => Promise<void>,
): Promise<void> {
  const isInline = settings.isolation === "inline";
  const handlers = new HandlerSet(await loadHandlers(isInline ? settings.tasks : [], providedModules, importing));
  const closeEndpoints = addEndpoints(handlers, settings);
  const started: { processes: RunnerProcesses | null } = { processes: null };
  const kinds = runnerKinds(settings, () => {
    if (started.processes === null) throw new Error("no process can be started yet");
    return started.processes;
  });
  try {
    if (kinds.length === 0 && settings.tables.execs.length === 0) {
      await body(handlers);
      return;
    }
    await withWorkFolder(settings, (folder) =>
      withRunnerProcesses(scope, { folder, runsHandlers: isInline }, async (processes) => {
        started.processes = processes;
        addCommands(handlers, settings, processes, folder);
        await withRunners(scope, kinds, poolOptions(settings), async ({ handlers: ofRunners, view, ...looks }) => {
          for (const { handler, source } of ofRunners) handlers.add(handler, source);
          await body(handlers, { view: () => runnersJson(view()), ...looks });
        });
      }),
    );
  } catch (error) {
    const cause = findError(error, RunnerStartError) ?? findError(error, DuplicateHandlerError);
    throw cause === undefined ? error : new CommandFailure(cause.message, EXIT_USAGE);
  } finally {
    closeEndpoints();
  }
}

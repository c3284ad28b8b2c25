/** The handlers that are commands, `[exec.TYPE]`, and the folder below which each attempt has its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CapacityLimiter } from "../../concurrency/index.ts";
import type { Settings } from "../../config/settings.ts";
import type { ExecTable } from "../../config/tables/handler-tables.ts";
import { type CommandParts, ExecHandler } from "../../handlers/exec/exec-handler.ts";
import { WorkFolders } from "../../handlers/exec/work-folders.ts";
import type { HandlerSet } from "../../handlers/handler-set.ts";
import { runnerEnvironment } from "../../runners/processes/runner-environment.ts";
import type { RunnerProcesses } from "../../runners/processes/runner-processes.ts";
import { CommandFailure, EXIT_USAGE } from "./exit.ts";
import { poolOptions } from "./runner-kinds.ts";
import { addHandler } from "./table-handlers.ts";

/** The folder of one executor: made when the first command needs it. */
export class WorkFolder {
  #made: { readonly path: string; readonly folders: WorkFolders } | null = null;

  /** @param starter - removes it once this process has ended, however it did. */
  foldersFor(starter: Pick<RunnerProcesses, "removeAtTheEnd">): WorkFolders {
    if (this.#made === null) {
      const path = mkdtempSync(join(tmpdir(), "taskexe-"));
      starter.removeAtTheEnd(path);
      this.#made = { path, folders: new WorkFolders(path) };
    }
    return this.#made.folders;
  }

  remove(): void {
    if (this.#made !== null) rmSync(this.#made.path, { recursive: true, force: true });
  }
}

/** @throws CommandFailure where a table cannot be run, or another handler has its type. */
export function addCommands(
  handlers: HandlerSet,
  settings: Settings,
  starter: RunnerProcesses,
  folder: WorkFolder,
): void {
  const places = new CapacityLimiter(poolOptions(settings).ownRunners);
  const parts = { starter, folders: folder.foldersFor(starter), places };
  for (const table of settings.tables.execs) addHandler(handlers, commandOf(table, settings, parts), table.origin);
}

function commandOf({ type, origin, command, cwd, env, options }: ExecTable, settings: Settings, parts: CommandParts) {
  const whole = runnerEnvironment(process.env, settings.runnerEnv, env);
  const kind = { type, command, cwd, env: whole, options, maxMemoryBytes: settings.runnerMaxRss };
  try {
    return new ExecHandler(kind, parts);
  } catch (error) {
    throw new CommandFailure(`${origin}: ${error instanceof Error ? error.message : error}`, EXIT_USAGE);
  }
}

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

/** Makes the folder for as long as `body` runs. Null: these settings have no commands, and need none. */
export async function withWorkFolder(
  settings: Settings,
  body: (folder: string | null) => Promise<void>,
): Promise<void> {
  if (settings.tables.execs.length === 0) return body(null);
  const folder = mkdtempSync(join(tmpdir(), "taskexe-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws CommandFailure where a table cannot be run, or another handler has its type. */
export function addCommands(
  handlers: HandlerSet,
  settings: Settings,
  starter: RunnerProcesses,
  folder: string | null,
): void {
  if (folder === null) return;
  const places = new CapacityLimiter(poolOptions(settings).ownRunners);
  const parts = { starter, folders: new WorkFolders(folder), places };
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

/**
 * Every command: its name and its file, in the order of the help. A file says how its command is called and does it;
 * it is imported only where its command is the one, or where the help shows them all.
 */
import type { CommandTable } from "./command-file.ts";

export const COMMANDS: CommandTable = {
  run: () => import("./run.ts"),
  enqueue: () => import("./enqueue.ts"),
  task: () => import("./task.ts"),
  cancel: () => import("./changes/cancel.ts"),
  list: () => import("./list.ts"),
  watch: () => import("./watch.ts"),
  retry: () => import("./changes/retry.ts"),
  promote: () => import("./changes/promote.ts"),
  edit: () => import("./changes/edit.ts"),
  purge: () => import("./changes/purge.ts"),
  pause: () => import("./changes/pause.ts"),
  resume: () => import("./changes/resume.ts"),
  executor: () => import("./changes/executor.ts"),
  top: () => import("./fleet/top.ts"),
  types: () => import("./fleet/types.ts"),
  alerts: () => import("./alerts/index.ts"),
  audit: () => import("./audit/index.ts"),
  cron: () => import("./cron/index.ts"),
  status: () => import("./status.ts"),
  token: () => import("./token/index.ts"),
  dev: () => import("./development/dev.ts"),
  new: () => import("./development/new.ts"),
  check: () => import("./development/check.ts"),
  version: () => import("./version.ts"),
};

/** Those that run an executor. */
export const EXECUTORS: readonly string[] = ["run", "dev"];

/** The command that is meant where none is named. */
export const DEFAULT_COMMAND = "run";

/**
 * SQLite through node:sqlite, which Bun, Node 22.13 and Deno all have (inside a compiled executable too).
 * It is loaded by the first call, so a runtime that lacks it fails only then, and says so. Node's warning that it is
 * experimental is kept from users, who can do nothing about it; every other warning stays.
 */

import type { SqlDatabase } from "../runtime.ts";
import { bindingByName, bindsNumbered } from "./numbered-parameters.ts";

/**
 * Opens the SQLite file at `path`, creating it when missing, or ":memory:". Foreign keys are enforced.
 * Rows come as objects without a prototype. Integers come as numbers; one past 2^53 throws when it is read.
 * Throws when the file cannot be opened, or when the runtime has no SQLite.
 */
export function openDatabase(path: string): SqlDatabase {
  const { DatabaseSync } = sqlite();
  try {
    const database = new DatabaseSync(path) as SqlDatabase;
    return bindsNumbered(database) ? database : bindingByName(database);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The SQLite file ${path} cannot be opened: ${reason}. Its folder must exist and be writable by this user`,
      { cause: error },
    );
  }
}

function sqlite(): typeof import("node:sqlite") {
  const module = withoutItsWarning(() => process.getBuiltinModule("node:sqlite"));
  if (module === undefined) {
    throw new Error(`SQLite needs Bun, Deno or Node 22.13 and later; this is Node ${process.versions.node}`);
  }
  return module;
}

// Node warns while the module is loaded, in the same call, so nobody else's warning can come between.
function withoutItsWarning<T>(load: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = (warning: string | Error, ...more: unknown[]): void => {
    if (more[0] === "ExperimentalWarning" && String(warning).startsWith("SQLite ")) return;
    Reflect.apply(emitWarning, process, [warning, ...more]);
  };
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}

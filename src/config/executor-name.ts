/**
 * The executor's name where nobody gave one: `task_executor_common_{host}-{id}_{n}`.
 * `n` is the lowest slot that no living process of this state directory holds, so a restart gets its name back and two
 * processes never share one. The hold is a SQLite lock: the system drops it with the process, kill -9 included. Of two
 * that try a slot in the same instant both may be refused: then it stays free, and they take later ones.
 * `id` is made of the machine's id and of the state directory's own, so two directories never give the same name.
 */
import { createHash, randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { ownershipProblem } from "../runtime/files/ownership.ts";
import { runtime, type SqlDatabase } from "../runtime/index.ts";
import { ConfigError } from "./config-error.ts";

/** How many executors one state directory can name. */
const MOST_SLOTS = 1_000;

/** A name that is ours until it is released or the process ends. Keep the object: it holds the lock. */
export interface HeldName {
  readonly name: string;
  /** The slot, from 0. */
  readonly slot: number;
  release(): void;
}

/**
 * Takes the lowest free name of this machine. Blocks for a few file operations.
 *
 * @param stateDirectory Created when missing.
 * @throws ConfigError when the directory cannot be written, or all slots are taken.
 */
export function takeExecutorName(stateDirectory: string): HeldName {
  const folder = join(stateDirectory, "executors");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const problem = ownershipProblem(stateDirectory) ?? ownershipProblem(folder);
    if (problem !== null) throw new Error(problem);
    const id = createHash("sha256")
      .update(`${runtime.hostId()} ${directoryId(folder)}`)
      .digest("hex")
      .slice(0, 8);
    const host = hostname()
      .replace(/[^\w.-]/g, "-")
      .slice(0, 100);
    for (let slot = 0; slot < MOST_SLOTS; slot++) {
      const lock = tryLock(join(folder, `${slot}.lock`));
      if (lock) return { name: `task_executor_common_${host}-${id}_${slot}`, slot, release: () => lock.close() };
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError([
      `the executor's name cannot be kept in ${folder}: ${reason}; set STATE_DIRECTORY to a folder that this user ` +
        "may write, or give --name",
    ]);
  }
  throw new ConfigError([`all ${MOST_SLOTS} names in ${folder} are held by living processes; give --name`]);
}

function tryLock(path: string): SqlDatabase | null {
  const database = runtime.openDatabase(path);
  try {
    database.exec("PRAGMA busy_timeout = 0");
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked|busy/i.test(error.message)) return null;
    throw error;
  }
}

// Written aside and linked into place: whoever comes second reads the first one's id, never half of it.
function directoryId(folder: string): string {
  const path = join(folder, "id");
  const known = read(path);
  if (known !== null) return known;
  const aside = `${path}.${process.pid}`;
  writeFileSync(aside, randomBytes(16).toString("hex"), { mode: 0o600 });
  try {
    linkSync(aside, path);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
  return readFileSync(path, "utf8");
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isCode(error, "ENOENT")) return null;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

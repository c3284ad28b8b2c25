/**
 * Heap snapshots, through node:v8 on all three runtimes; Chrome's tools read them.
 * A snapshot holds everything the process knows, secrets too: nobody else may read it, not even while it is written,
 * and nobody else may choose where it goes.
 */
import { privateFolderProblem } from "../files/ownership.ts";

/** How many snapshots a folder keeps. */
export const MOST_SNAPSHOTS = 10;
/** The names that are ours to remove. */
const OURS = /^\d+_snapshot_\d{8}_\d{6}\.heapsnapshot$/;

/**
 * Writes a heap snapshot to `path`, mode 0600, and creates its folder, mode 0700, when missing. Of older ones that are
 * named as executors name them the folder keeps so many that there are ten.
 * Stops the world while it writes: seconds for a heap of 200 MB, and several times the heap in memory.
 * Throws when `path` exists, cannot be written, or others may write to its folder; what was half written is removed.
 */
export async function writeHeapSnapshot(path: string): Promise<void> {
  const fs = process.getBuiltinModule("node:fs");
  const { dirname, basename } = process.getBuiltinModule("node:path");
  const v8 = process.getBuiltinModule("node:v8");
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants;
  const folder = dirname(path);
  let file: number;
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const problem = privateFolderProblem(folder);
    if (problem !== null) throw new Error(problem);
    // The runtimes would create the file readable by everyone (Bun) or by the umask. Exclusively: neither a file nor a
    // link that somebody laid in the way is written to.
    file = fs.openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
  } catch (error) {
    throw cannotWrite(path, error);
  }
  try {
    // By the descriptor: whoever puts another folder in the place of this one changes nothing any more.
    v8.writeHeapSnapshot(process.platform === "linux" ? `/proc/self/fd/${file}` : `/dev/fd/${file}`);
    for (const old of olderThan(fs, folder, basename(path))) fs.rmSync(old, { force: true });
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw cannotWrite(path, error);
  } finally {
    fs.closeSync(file);
  }
}

/** The snapshots in a folder that are more than it keeps beside a new one, the oldest of them. */
function olderThan(fs: typeof import("node:fs"), folder: string, newest: string): string[] {
  const { join } = process.getBuiltinModule("node:path");
  return fs
    .readdirSync(folder)
    .filter((name) => OURS.test(name) && name !== newest)
    .map((name) => ({ path: join(folder, name), stats: fs.lstatSync(join(folder, name), { throwIfNoEntry: false }) }))
    .filter(({ stats }) => stats?.isFile())
    .sort((a, b) => (b.stats?.mtimeMs ?? 0) - (a.stats?.mtimeMs ?? 0))
    .slice(MOST_SNAPSHOTS - 1)
    .map(({ path }) => path);
}

function cannotWrite(path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const needs = "It needs a name that is not taken, a folder that only this user may write to, and free space";
  return new Error(`The heap snapshot cannot be written to ${path}: ${reason}. ${needs}`, { cause });
}

/**
 * Heap snapshots, through node:v8 on all three runtimes; Chrome's tools read them.
 * A snapshot holds everything the process knows, secrets too: nobody else may read it, not even while it is written.
 */

/**
 * Writes a heap snapshot to `path`, mode 0600, and creates its folder, mode 0700, when missing.
 * Stops the world while it writes: seconds for a heap of 200 MB, and several times the heap in memory.
 * Throws when `path` exists or cannot be written; what was half written is removed.
 */
export async function writeHeapSnapshot(path: string): Promise<void> {
  const fs = process.getBuiltinModule("node:fs");
  const { dirname } = process.getBuiltinModule("node:path");
  const v8 = process.getBuiltinModule("node:v8");
  try {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // The runtimes would create the file readable by everyone (Bun) or by the umask, but they write into one that
    // exists and leave its mode. "x" also refuses a link that somebody laid in the way.
    fs.closeSync(fs.openSync(path, "wx", 0o600));
  } catch (error) {
    throw cannotWrite(path, error);
  }
  try {
    v8.writeHeapSnapshot(path);
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const needs = "It needs a name that is not taken, a folder that this user may write to, and free space";
  return new Error(`The heap snapshot cannot be written to ${path}: ${reason}. ${needs}`, { cause });
}

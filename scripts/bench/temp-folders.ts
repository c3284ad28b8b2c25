/** Temporary folders of a run, removed at its end whatever happened. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made = new Set<string>();

/** Makes an empty folder. It lies where TMPDIR says: the disk that is measured. */
export function tempFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "taskexe-bench-"));
  made.add(path);
  return path;
}

/** Gives the block an empty folder, which is removed after it. */
export async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = tempFolder();
  try {
    return await body(folder);
  } finally {
    removeFolders([folder]);
  }
}

/** Removes one, or all that are left. */
export function removeFolders(paths: Iterable<string> = [...made]): void {
  for (const path of paths) {
    rmSync(path, { recursive: true, force: true });
    made.delete(path);
  }
}

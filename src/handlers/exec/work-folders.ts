/** A folder of its own for each attempt, below one of the executor's; what the attempt leaves there goes with it. */
import { chmod, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";

const logger = getLogger(["taskexe", "exec"]);

export class WorkFolders {
  readonly #base: string;
  #made = 0;

  /** @param base - there already, and this process's alone. */
  constructor(base: string) {
    this.#base = base;
  }

  /** Makes one, for this user alone; gives its path. */
  async make(): Promise<string> {
    const folder = join(this.#base, String(++this.#made));
    await mkdir(folder, { mode: 0o700 });
    return folder;
  }

  /** Removes one with all that is in it. What cannot be removed is told. Never rejects. */
  async remove(folder: string): Promise<void> {
    try {
      await removeAll(folder).catch(async () => {
        // A folder in it may be closed to its owner.
        await open(folder);
        await removeAll(folder);
      });
    } catch (error) {
      logger.warn("the folder {folder} of an attempt could not be removed: {error}", { folder, error });
    }
  }
}

function removeAll(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

/** Opens all folders in it to their owner; follows no link. */
async function open(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if ((await lstat(path)).isDirectory()) await open(path);
  }
}

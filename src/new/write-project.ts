/**
 * Writes a project's files into a folder that is not there yet, or is empty: nothing of anybody's is ever overwritten.
 * What fails in the middle takes back what it wrote.
 */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ProjectFiles } from "./template-files.ts";

/** The folder cannot be written; the message says what is there and what to do. */
export class NoPlaceError extends Error {
  override readonly name = "NoPlaceError";
}

/**
 * Writes them all, or none.
 *
 * @throws NoPlaceError where something stands in the folder's place or in it; the system's error where it is refused.
 */
export async function writeProject(folder: string, files: ProjectFiles): Promise<void> {
  const wasThere = await isEmptyFolder(folder);
  const written: string[] = [];
  try {
    await mkdir(folder, { recursive: true });
    for (const [path, text] of files) {
      const file = join(folder, path);
      await mkdir(dirname(file), { recursive: true });
      // wx: somebody else may have put a file there since.
      await writeFile(file, text, { flag: "wx" });
      written.push(file);
    }
  } catch (error) {
    if (!wasThere) await rm(folder, { recursive: true, force: true });
    else for (const file of written) await rm(file, { force: true });
    throw error;
  }
}

/** True: it is there, and empty. False: nothing is there. */
async function isEmptyFolder(folder: string): Promise<boolean> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "ENOENT") return false;
    if (code === "ENOTDIR") throw new NoPlaceError(`${folder} is a file, or lies below one: give the name of a folder`);
    throw error;
  }
  if (names.length === 0) return true;
  throw new NoPlaceError(`the folder ${folder} is not empty: name one that is, or that is not there yet`);
}

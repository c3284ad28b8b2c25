/**
 * Which files a list of paths means: files as they are given, folders with every handler file below them. What else
 * lies in a folder is left out with its reason (folder-rules.ts); what is wrong with a handler file is a problem of its
 * own path. One entry that cannot be read says nothing of its neighbours.
 */
import type { Dirent, Stats } from "node:fs";
import { access, constants, lstat, readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { ENDINGS, fileLeftOut, folderLeftOut, isHandlerName, textDecides, textLeftOut } from "./folder-rules.ts";
import type { HandlerProblem } from "./handler-load-error.ts";

/** How many files one call may mean; more is a wrong path (a home folder, a checkout), not a task folder. */
export const MAX_HANDLER_FILES = 1000;
/** How many entries of folders are looked at: a folder of everything must end in an answer, too. */
const MAX_ENTRIES = 100_000;

export interface LeftOut {
  readonly path: string;
  readonly reason: string;
}

export interface HandlerFiles {
  /** Absolute, without symbolic links, each once, in the order of the paths and sorted within a folder. */
  readonly files: readonly string[];
  /** The folders among the paths, absolute and without symbolic links. */
  readonly folders: readonly string[];
  readonly problems: readonly HandlerProblem[];
  /** What lies in the folders and is no handler file. */
  readonly leftOut: readonly LeftOut[];
}

/** Finds the handler files; what is wrong with a path is a problem in the answer. Relative paths start at the cwd. */
export async function findHandlerFiles(paths: readonly string[]): Promise<HandlerFiles> {
  const found = new Found();
  for (const path of paths) await found.take(resolve(path));
  const { files, folders, problems, leftOut } = found;
  if (!found.isFull) return { files: [...files], folders, problems, leftOut };
  const all = files.size > MAX_HANDLER_FILES ? `${MAX_HANDLER_FILES} handler files` : `${MAX_ENTRIES} entries`;
  const what = `more than ${all}`;
  const advice = "name the folder that holds the handlers and nothing else";
  return { files: [], folders, problems: [...problems, { file: paths.join(", "), what, advice }], leftOut };
}

class Found {
  readonly files = new Set<string>();
  readonly folders: string[] = [];
  readonly problems: HandlerProblem[] = [];
  readonly leftOut: LeftOut[] = [];
  /** Folders that were read, without symbolic links: a link to a parent must not lead round in circles. */
  readonly #visited = new Set<string>();
  #entries = 0;

  get isFull(): boolean {
    return this.files.size > MAX_HANDLER_FILES || this.#entries > MAX_ENTRIES;
  }

  /** Takes a path that the user has named: whatever is wrong with it is a problem. */
  async take(path: string): Promise<void> {
    try {
      const info = await stat(path);
      if (info.isDirectory()) await this.#takeFolder(path);
      else if (info.isFile() && isHandlerName(path)) await this.#add(await realpath(path));
      else this.#refuse(path, info);
    } catch (error) {
      const { what, advice } = await unreadable(path, error);
      this.problems.push({ file: path, what, advice });
    }
  }

  async #add(file: string): Promise<void> {
    await access(file, constants.R_OK);
    this.files.add(file);
  }

  #refuse(path: string, info: Stats): void {
    const what = info.isFile()
      ? `a handler file must end in ${ENDINGS}`
      : `it is ${kindOf(info)}, no file and no folder`;
    this.problems.push({ file: path, what, advice: "give a handler file or a folder of handler files" });
  }

  async #takeFolder(path: string): Promise<void> {
    const before = this.files.size + this.problems.length;
    const real = await realpath(path);
    this.folders.push(real);
    const fresh = await this.#walk(real);
    if (!fresh || this.files.size + this.problems.length > before) return;
    const what = `the folder holds no handler file (${ENDINGS})`;
    const advice = "put one there; tests, and names that begin with _ or ., do not count";
    this.problems.push({ file: path, what, advice });
  }

  /** Adds the handler files below a folder, given without links; false when it was read before. */
  async #walk(folder: string): Promise<boolean> {
    if (this.#visited.has(folder)) return false;
    const entries = await readdir(folder, { withFileTypes: true });
    this.#visited.add(folder);
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (++this.#entries > MAX_ENTRIES || this.isFull) return true;
      await this.#look(join(folder, entry.name), entry);
    }
    return true;
  }

  async #look(path: string, entry: Dirent): Promise<void> {
    try {
      const info = entry.isSymbolicLink() ? await stat(path) : entry;
      const reason = info.isDirectory() ? folderLeftOut(entry.name) : fileLeftOut(entry.name);
      if (reason !== null) this.leftOut.push({ path, reason });
      else if (info.isDirectory()) await this.#walk(await realpath(path));
      else if (info.isFile()) await this.#lookAtFile(path);
      else this.leftOut.push({ path, reason: `it is ${kindOf(await stat(path))}` });
    } catch (error) {
      await this.#passOver(path, entry, error);
    }
  }

  async #lookAtFile(path: string): Promise<void> {
    const real = await realpath(path);
    const reason = isHandlerName(real) ? null : `it is a link to ${real}, whose name does not end in ${ENDINGS}`;
    const decided = reason ?? (textDecides(basename(path)) ? textLeftOut(await readFile(path, "utf8")) : null);
    if (decided === null) await this.#add(real);
    else this.leftOut.push({ path, reason: decided });
  }

  /** An entry that cannot be looked at: a handler file is a problem, a folder or a link that leads nowhere is not. */
  async #passOver(path: string, entry: Dirent, error: unknown): Promise<void> {
    const { what, advice, isThere } = await unreadable(path, error);
    const isWanted = !entry.isDirectory() && fileLeftOut(entry.name) === null;
    if (isWanted && (isThere || !entry.isSymbolicLink())) this.problems.push({ file: path, what, advice });
    else this.leftOut.push({ path, reason: what });
  }
}

// Of the entries of a folder Deno does not tell.
function kindOf(info: Stats): string {
  if (info.isFIFO()) return "a FIFO";
  if (info.isSocket()) return "a socket";
  return "a device";
}

interface Unreadable {
  readonly what: string;
  readonly advice: string;
  /** False where nothing is behind the path. */
  readonly isThere: boolean;
}

async function unreadable(path: string, error: unknown): Promise<Unreadable> {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  if (code === "EACCES" || code === "EPERM") {
    return { what: "it may not be read", advice: "give this user read permission", isThere: true };
  }
  if (code === "ELOOP") {
    return { what: "it is a link that leads to itself", advice: "mend or remove the link", isThere: false };
  }
  if (code !== "ENOENT") {
    return { what: error instanceof Error ? error.message : String(error), advice: "check the path", isThere: true };
  }
  if (path.includes("\uFFFD")) return { what: "its name is no UTF-8", advice: "rename it", isThere: true };
  const link = await lstat(path).catch(() => null);
  if (!link?.isSymbolicLink()) {
    const advice = "check the path; relative ones start at the working directory";
    return { what: "no such file or folder", advice, isThere: false };
  }
  const what = `it is a link to ${await readlink(path)}, which is not there`;
  return { what, advice: "mend or remove the link", isThere: false };
}

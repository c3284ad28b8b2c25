/**
 * Which files a list of paths means: files as they are given, folders with every handler file below them.
 * Left out of folders: names that begin with `_` or `.`, node_modules, declarations and tests.
 */
import { readdir, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { HandlerProblem } from "./handler-load-error.ts";

/** How many files one call may mean; more is a wrong path (a home folder, a checkout), not a task folder. */
export const MAX_HANDLER_FILES = 1000;

const HANDLER_FILE = /\.(ts|mts|js|mjs)$/;
const NOT_IN_FOLDERS = /^[_.]|^node_modules$|\.d\.m?ts$|\.test\.[^.]+$/;
const EXTENSIONS = ".ts, .mts, .js or .mjs";

export interface HandlerFiles {
  /** Absolute, without symbolic links, each once, in the order of the paths and sorted within a folder. */
  readonly files: readonly string[];
  readonly problems: readonly HandlerProblem[];
}

/** Finds the handler files; what is wrong with a path is a problem in the answer. Relative paths start at the cwd. */
export async function findHandlerFiles(paths: readonly string[]): Promise<HandlerFiles> {
  const found: Found = { files: new Set(), visited: new Set(), problems: [] };
  for (const path of paths) await take(resolve(path), found);
  if (found.files.size > MAX_HANDLER_FILES) {
    found.problems.push({
      file: paths.join(", "),
      what: `more than ${MAX_HANDLER_FILES} handler files`,
      advice: "name the folder that holds the handlers and nothing else",
    });
    return { files: [], problems: found.problems };
  }
  return { files: [...found.files], problems: found.problems };
}

interface Found {
  readonly files: Set<string>;
  /** Folders that were read, without symbolic links: a link to a parent must not lead round in circles. */
  readonly visited: Set<string>;
  readonly problems: HandlerProblem[];
}

async function take(path: string, found: Found): Promise<void> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) {
      const before = found.files.size;
      const fresh = await walk(path, found);
      if (fresh && found.files.size === before) {
        const what = `the folder holds no handler file (${EXTENSIONS})`;
        const advice = "put one there; names that begin with _ or . and *.test.* do not count";
        found.problems.push({ file: path, what, advice });
      }
    } else if (info.isFile() && HANDLER_FILE.test(path)) {
      found.files.add(await realpath(path));
    } else {
      const what = info.isFile() ? `a handler file must end in ${EXTENSIONS}` : "is neither a file nor a folder";
      found.problems.push({ file: path, what, advice: "give a handler file or a folder of handler files" });
    }
  } catch (error) {
    found.problems.push({ file: path, ...unreadable(error) });
  }
}

/** Adds the handler files below a folder; false when the folder was read before. */
async function walk(folder: string, found: Found): Promise<boolean> {
  const real = await realpath(folder);
  if (found.visited.has(real)) return false;
  found.visited.add(real);
  const entries = await readdir(real, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (NOT_IN_FOLDERS.test(entry.name) || found.files.size > MAX_HANDLER_FILES) continue;
    const path = join(real, entry.name);
    const info = entry.isSymbolicLink() ? await stat(path) : entry;
    if (info.isDirectory()) await walk(path, found);
    else if (info.isFile() && HANDLER_FILE.test(entry.name)) found.files.add(await realpath(path));
  }
  return true;
}

function unreadable(error: unknown): { readonly what: string; readonly advice: string } {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  if (code === "ENOENT")
    return { what: "no such file or folder", advice: "check the path; relative ones start at the working directory" };
  if (code === "EACCES" || code === "EPERM")
    return { what: "may not be read", advice: "give this user read permission" };
  return { what: error instanceof Error ? error.message : String(error), advice: "check the path" };
}

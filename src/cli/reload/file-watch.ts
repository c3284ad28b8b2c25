/**
 * Watches the files that handlers and settings were loaded from, and the folders in which handler files are looked for.
 * It looks at them four times a second, which works alike on every file system and in every container, and for whatever
 * way an editor saves. A change is told once nothing has changed between two looks.
 */
import { type Dirent, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { sleep } from "../../concurrency/index.ts";
import { isHandlerName } from "../../handlers/loading/folder-rules.ts";

const LOOK_MS = 250;
/** So many files are watched. */
const MOST_FILES = 5_000;

export interface WatchedFiles {
  /** Paths of files. */
  readonly files: readonly string[];
  /** Files or folders; of a folder all code below it counts, what is made and removed there, too. */
  readonly places: readonly string[];
  /** When their load began, Unix ms: what is watched only now and is younger was perhaps not read as it is. */
  readonly loadedAt: number;
}

export class FileWatch {
  readonly #watched: () => WatchedFiles;
  readonly #changed: (path: string) => void;
  /** What a file looked like at the last look; null: it was not there. */
  #seen = new Map<string, string | null>();
  #isFirst = true;

  /** @param changed - told of one of those that have changed. */
  constructor(watched: () => WatchedFiles, changed: (path: string) => void) {
    this.#watched = watched;
    this.#changed = changed;
  }

  /** @throws (rejects) the cancel. */
  async run(signal: AbortSignal): Promise<never> {
    let pending: string | null = null;
    for (;;) {
      const found = this.look();
      if (found !== null) pending = found;
      else if (pending !== null) {
        this.#changed(pending);
        pending = null;
      }
      await sleep(LOOK_MS, signal);
    }
  }

  /** One that has changed since the last look; null: none has. */
  look(): string | null {
    const { files, places, loadedAt } = this.#watched();
    const inPlaces = new Set(places.flatMap((place) => codeIn(resolve(place))));
    const now = new Map<string, string | null>();
    let changed: string | null = null;
    for (const path of [...inPlaces, ...files.map((file) => resolve(file)), ...this.#seen.keys()]) {
      if (now.has(path) || now.size >= MOST_FILES) continue;
      const { looks, isYounger } = looksOf(path, loadedAt);
      now.set(path, looks);
      const before = this.#seen.get(path);
      // One that is watched only now was loaded just now, unless it is younger; one that is new in a folder was made.
      const isNew = isYounger || (inPlaces.has(path) && !this.#isFirst);
      if (before === undefined ? isNew : before !== looks) changed = path;
    }
    const wanted = new Set([...inPlaces, ...files.map((file) => resolve(file))]);
    this.#seen = new Map([...now].filter(([path]) => wanted.has(path)));
    this.#isFirst = false;
    return changed;
  }
}

function looksOf(path: string, loadedAt: number): { readonly looks: string | null; readonly isYounger: boolean } {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return { looks: null, isYounger: false };
  return { looks: `${stats.mtimeMs} ${stats.size} ${stats.ino}`, isYounger: stats.mtimeMs > loadedAt };
}

/** The file itself, or all code below the folder, what npm has installed aside. */
function codeIn(place: string): string[] {
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory() !== true) return [place];
  const found: string[] = [];
  const folders = [place];
  for (let folder = folders.pop(); folder !== undefined && found.length < MOST_FILES; folder = folders.pop()) {
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && entry.name !== "node_modules" && !entry.name.startsWith(".")) folders.push(path);
      else if (isHandlerName(entry.name)) found.push(path);
    }
  }
  return found;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // It has gone, or may not be read: what is loaded from there says so.
    return [];
  }
}

/**
 * Tells that something has changed in a folder, where the system can (inotify and the like). Some file systems tell
 * nothing, and a system may have no watches left: whoever relies on it looks now and then all the same.
 */
import { type FSWatcher, statSync, watch } from "node:fs";

export class FolderWatch {
  readonly #path: string;
  readonly #changed: () => void;
  #watcher: FSWatcher | null = null;
  /** Which folder is watched: another one may have taken its place. */
  #inode: number | null = null;

  /** @param changed - called at each change, often several times for one. */
  constructor(path: string, changed: () => void) {
    this.#path = path;
    this.#changed = changed;
  }

  /** Watches the folder that is there now, unless it is watched already. Never throws. */
  renew(): void {
    const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino ?? null;
    if (this.#watcher !== null && inode === this.#inode) return;
    this.close();
    if (inode === null) return;
    try {
      const watcher = watch(this.#path, { persistent: false }, this.#changed);
      watcher.on("error", () => this.close());
      this.#watcher = watcher;
      this.#inode = inode;
    } catch {
      // Then there are the looks; the next one tries again.
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#inode = null;
  }
}

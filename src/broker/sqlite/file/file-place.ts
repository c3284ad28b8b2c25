/**
 * Whether a path still leads to the file that was opened there. A file that is deleted or replaced lives on for those
 * who have it open, and for nobody else: they would go on in a queue that no other process sees. Told by device and
 * inode; a number is not given again while the file is open.
 */
import { rmSync, statSync } from "node:fs";

/** What SQLite keeps beside the file in WAL mode: the log, and its index. */
const WAL = "-wal";
const INDEX = "-shm";

export class FilePlace {
  readonly #path: string;
  /** Device and inode of the file. */
  readonly file: string | null;
  #log: string | null = null;
  #index: string | null = null;

  /** To be made before the file is opened, and settled once it is. */
  constructor(path: string) {
    this.#path = path;
    this.file = identityOf(path);
  }

  /** Takes in what belongs to the file by now. False: the path has come to lead elsewhere meanwhile. */
  settle(): boolean {
    this.#log = identityOf(this.#path + WAL);
    this.#index = identityOf(this.#path + INDEX);
    return this.file !== null && identityOf(this.#path) === this.file;
  }

  /** What became of the file, as the end of a sentence; null where it is still there. */
  moved(): string | null {
    const file = identityOf(this.#path);
    if (file === null) return "was deleted";
    if (file !== this.file) return "was replaced by another file";
    if (this.#log !== null && identityOf(this.#path + WAL) !== this.#log) return "lost its log (the file -wal)";
    // Its locks are in there: with an index of their own others would write without seeing ours.
    if (this.#index !== null && identityOf(this.#path + INDEX) !== this.#index) return "lost its index (the file -shm)";
    return null;
  }

  /**
   * Whether only the log or its index was deleted, and nobody has begun another one: the log can still be written back.
   */
  get hasLostLog(): boolean {
    const isSame = this.file !== null && identityOf(this.#path) === this.file;
    return isSame && [WAL, INDEX].some((end) => identityOf(this.#path + end) === null);
  }

  /**
   * Removes the log of the old file where it was left behind beside another one: whoever opened the two together would
   * write what stands in the log over the new file. To be called once the old file is closed.
   */
  removeLeftovers(): void {
    const file = identityOf(this.#path);
    const isForeign = file !== this.file && this.#log !== null && identityOf(this.#path + WAL) === this.#log;
    if (isForeign) for (const end of [WAL, INDEX]) rmSync(this.#path + end, { force: true });
  }
}

/** Device and inode; null where nothing is there, or nobody can say. */
function identityOf(path: string): string | null {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found === undefined ? null : `${found.dev}:${found.ino}`;
  } catch (error) {
    // A part of the path is no folder any more, or may not be entered: then it is not there for us.
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}

/**
 * One open SQLite file: creates it (folder 0700, file 0600, or 0660 in a folder that a group shares), refuses what is
 * not ours, sets it up for many processes, and keeps its prepared statements. Synchronous throughout and never waiting:
 * a lock that is held shows as busy. It knows which file it opened, since the same path can lead to another one later
 * (file-place.ts).
 */
import { accessSync, chmodSync, closeSync, constants, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { ownershipProblem } from "../../../runtime/files/ownership.ts";
import { runtime, type SqlDatabase, type SqlStatement } from "../../../runtime/index.ts";
import { BrokerUnavailableError } from "../../broker.ts";
import { FilePlace } from "./file-place.ts";
import { APPLICATION_ID, SCHEMA_VERSION, stepsFrom } from "./schema.ts";
import { messageOf, SqliteFileError, sqliteCode } from "./sqlite-errors.ts";

/** After how many pages of 4 KiB the log is written back: four times SQLite's default, worth a tenth of the speed. */
const CHECKPOINT_PAGES = 4000;
const NOT_A_DATABASE = 26;
const CORRUPT = 11;
/** Its group may write, and what is made in there belongs to that group. */
const SHARED_FOLDER = 0o2020;

/** What no waiting heals when the file is created or opened. */
const MISTAKES: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the file system is read-only",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "a part of the path is not a folder",
  ENAMETOOLONG: "the path is too long",
};

export class DatabaseFile {
  readonly path: string;
  #db: SqlDatabase | null = null;
  #statements = new Map<string, SqlStatement>();
  #place: FilePlace | null = null;
  #last: string | null = null;
  #generation = 0;

  constructor(path: string) {
    this.path = path;
  }

  get isOpen(): boolean {
    return this.#db !== null;
  }

  /** A number that changes when another file than before is opened. */
  get generation(): number {
    return this.#generation;
  }

  /** What became of the file that is open, where the path does not lead to it any more; null: nothing. */
  moved(): string | null {
    return this.#place?.moved() ?? null;
  }

  /**
   * Closes a file that was moved away, so that open() opens what the path leads to, and nothing of the old one with it.
   */
  leave(): void {
    const place = this.#place;
    if (place?.hasLostLog) this.#writeBack();
    // Once it is closed, the next file may be given the same number.
    else this.#last = null;
    this.close();
    place?.removeLeftovers();
  }

  /** What stands in the log goes into the file; a log that was deleted is still ours to read. */
  #writeBack(): void {
    try {
      this.#db?.prepare("PRAGMA wal_checkpoint(FULL)").all();
    } catch (error) {
      // Locked or without room: whoever else has the old log writes it back.
      if (sqliteCode(error) === null) throw error;
    }
  }

  /**
   * Opens the file, creating it when missing; does nothing when it is open.
   *
   * @throws SqliteFileError for what the user must mend; SQLite's own errors for what may pass.
   */
  open(): void {
    if (this.#db !== null) return;
    this.#createFile();
    const place = new FilePlace(this.path);
    const db = runtime.openDatabase(this.path);
    try {
      prepareFile(db, this.path);
    } catch (error) {
      db.close();
      throw this.#verdict(error);
    }
    if (!place.settle()) {
      db.close();
      throw new BrokerUnavailableError(`the database ${this.path} was replaced while it was being opened`);
    }
    this.#db = db;
    this.#place = place;
    if (place.file !== this.#last) this.#generation++;
    this.#last = place.file;
  }

  /** The prepared statement of a text. @throws BrokerUnavailableError when the file is closed. */
  sql(text: string): SqlStatement {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      if (this.#db === null) throw new BrokerUnavailableError(`the database ${this.path} is closed`);
      statement = this.#db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /** Closes the file; open() opens it anew. Never throws. */
  close(): void {
    const db = this.#db;
    this.#db = null;
    this.#place = null;
    this.#statements = new Map();
    try {
      db?.close();
    } catch {
      // What was committed is on the disk; there is nothing else to save.
    }
  }

  #verdict(error: unknown): unknown {
    const code = sqliteCode(error);
    if (code === NOT_A_DATABASE) {
      return new SqliteFileError(`${this.path} is not a SQLite database. Give taskexe a file of its own`, {
        cause: error,
      });
    }
    if (code === CORRUPT) {
      return new SqliteFileError(`the database ${this.path} is damaged. Restore it, or move it away to begin anew`, {
        cause: error,
      });
    }
    return error;
  }

  /** SQLite would create it with the umask's mode; its log and index files take the mode of the file. */
  #createFile(): void {
    try {
      const folder = dirname(this.path);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (!existsSync(this.path)) createEmpty(this.path);
      // A file that is there is looked at and not opened: closing it would take the locks of this process's other
      // connections to it (POSIX), and a pipe would wait for a reader, which may be never.
      const stats = statSync(this.path);
      if (stats.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
      if (!stats.isFile()) {
        throw new SqliteFileError(`the database ${this.path} cannot be opened: it is a pipe, a socket or a device`);
      }
      accessSync(this.path, constants.R_OK | constants.W_OK);
      // SQLite makes its log and index beside it, and would only say that it cannot open the database.
      if (!existsSync(`${this.path}-wal`)) accessSync(folder, constants.W_OK);
      for (const one of [folder, this.path, `${this.path}-wal`, `${this.path}-shm`]) refuseForeign(one);
    } catch (error) {
      if (error instanceof SqliteFileError) throw error;
      const code = codeOf(error);
      const mistake = MISTAKES[code];
      if (mistake === undefined) throw new BrokerUnavailableError(messageOf(error), { cause: error });
      throw new SqliteFileError(`the database ${this.path} cannot be opened: ${mistake}`, { cause: error });
    }
  }
}

function refuseForeign(path: string): void {
  const problem = ownershipProblem(path);
  if (problem !== null) throw new SqliteFileError(`the database is not safe there: ${problem}`);
}

/** In a folder whose files are all its group's, as that of the system service, the new file is its group's too. */
function createEmpty(path: string): void {
  const isShared = (statSync(dirname(path)).mode & SHARED_FOLDER) === SHARED_FOLDER;
  try {
    closeSync(openSync(path, "ax", 0o600));
    // Whatever the umask is, as it speaks of other files too.
    if (isShared) chmodSync(path, 0o660);
  } catch (error) {
    // Another process was quicker.
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function prepareFile(db: SqlDatabase, path: string): void {
  db.prepare("PRAGMA busy_timeout = 0").all();
  const version = versionOf(db, path);
  refuseTriggers(db, path);
  // Functions of SQLite that a stranger's index or check could call do nothing beyond it.
  db.prepare("PRAGMA trusted_schema = OFF").all();
  // Only an empty file takes this; it must come before the first page is written.
  if (version === 0) db.prepare("PRAGMA auto_vacuum = INCREMENTAL").all();
  const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.journal_mode;
  if (mode !== "wal") {
    throw new SqliteFileError(
      `the database ${path} cannot be shared between processes: its file system does not allow SQLite's WAL mode. ` +
        "Put it on a local disk",
    );
  }
  db.prepare("PRAGMA synchronous = FULL").all();
  db.prepare(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`).all();
  db.prepare(`PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * 4096}`).all();
  // In KiB. A transaction that takes pages off the free list costs time for every page in the cache: with 16 MiB an
  // enqueue into a file of a million tasks took a quarter longer than into a small one.
  db.prepare("PRAGMA cache_size = -4000").all();
  db.prepare("PRAGMA temp_store = MEMORY").all();
  if (version < SCHEMA_VERSION) upgrade(db, path);
}

/**
 * The format of the file, 0 where it is empty. @throws SqliteFileError where it is somebody else's, or newer than we.
 */
function versionOf(db: SqlDatabase, path: string): number {
  const application = db.prepare("PRAGMA application_id").get()?.application_id;
  const version = Number(db.prepare("PRAGMA user_version").get()?.user_version);
  const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n;
  if (application === 0 && version === 0 && tables === 0) return 0;
  if (application !== APPLICATION_ID) {
    throw new SqliteFileError(`${path} is the SQLite database of another program. Give taskexe a file of its own`);
  }
  if (version <= SCHEMA_VERSION) return version;
  throw new SqliteFileError(
    `the database ${path} was written by a newer taskexe (format ${version}; this one knows up to ` +
      `${SCHEMA_VERSION}). Update this taskexe, or give it another file`,
  );
}

/** Our tables have none: whoever put one there decides what our writes do. */
function refuseTriggers(db: SqlDatabase, path: string): void {
  const found = db.prepare("SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1").get();
  if (found === undefined) return;
  const what = `${found.type} ${JSON.stringify(String(found.name).slice(0, 100))}`;
  throw new SqliteFileError(
    `the database ${path} holds the ${what}, which is not taskexe's and could change what it writes. ` +
      `Find out who made it, then remove it (DROP ${String(found.type).toUpperCase()}), or move the file away`,
  );
}

/** Another process may be about the same: who gets the lock first does it. A failure is undone by close(). */
function upgrade(db: SqlDatabase, path: string): void {
  db.prepare("BEGIN IMMEDIATE").run();
  const version = versionOf(db, path);
  if (version < SCHEMA_VERSION) db.exec(stepsFrom(version));
  db.prepare("COMMIT").run();
}

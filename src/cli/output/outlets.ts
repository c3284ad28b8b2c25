/**
 * The two outputs of the process, and the only place that writes to them. What was written is counted until the system
 * has taken it: a slow reader is waited for, and what could not be written is never lost in silence.
 * What a text may hold is output.ts's business. Imports next to nothing, so that the version is answered at once.
 */
import { fstatSync, writeSync } from "node:fs";
import { printable } from "../../task/text/printable.ts";
import { isJournal, type Level, withPriority } from "./journal.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than is allowed",
  EIO: "the device fails",
  EBADF: "it is closed",
};

/** Deno's errors have the number of the system in their text alone. */
const NUMBERED: Readonly<Record<string, string>> = {
  "5": "EIO",
  "9": "EBADF",
  "27": "EFBIG",
  "28": "ENOSPC",
  "32": "EPIPE",
  "122": "EDQUOT",
};

/** One output of the process. */
export class Outlet {
  readonly #fd: 1 | 2;
  #waitingBytes = 0;
  #failure: Error | null = null;
  #isStuck = false;
  /** How often the stream itself has failed: what was written before is no longer counted. */
  #failures = 0;
  #waiters: (() => void)[] = [];
  #isFile: boolean | null = null;
  #isJournal: boolean | null = null;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Whether each line is to say its priority, and no time. */
  get isJournal(): boolean {
    this.#isJournal ??= isJournal(this.#fd, process.env);
    return this.#isJournal;
  }

  /** The size of the terminal in characters; without a bound where it is none. */
  get size(): { readonly columns: number; readonly rows: number } {
    const { columns = Number.POSITIVE_INFINITY, rows = Number.POSITIVE_INFINITY } = this.#stream;
    return { columns, rows };
  }

  /** How many bytes wait for the reader. The stream's own count is always 0 on Bun. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The first error of a write, but for a reader that is gone, which loses nothing that anybody wants; else null. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Writes the text as it is. Never throws, never waits. */
  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#fd === 1 && this.#goesToFile()) {
      this.#writeWhole(bytes);
      return;
    }
    if (this.#isStuck) return;
    this.#waitingBytes += bytes.byteLength;
    const failures = this.#failures;
    const taken = (error?: Error | null) => {
      if (failures === this.#failures) this.#waitingBytes -= bytes.byteLength;
      if (error) this.#failed(error);
      this.#wake();
    };
    try {
      this.#stream.write(bytes, taken);
    } catch (error) {
      // Deno writes to some outputs at once, and throws; it never answers for what is written from then on.
      this.#isStuck = true;
      taken(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Writes lines of this level, as they are or, for the journal, with their priority. */
  writeLines(level: Level, lines: string): void {
    this.write(this.isJournal ? withPriority(level, lines) : lines);
  }

  /** Resolves once everything is written, or has failed: for as long as a reader takes. */
  async written(): Promise<void> {
    while (this.#waitingBytes > 0) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Keeps a reader that is gone (`| head`) from ending the process: what is written then is lost, and nothing else. */
  surviveClosing(): void {
    this.#stream.on("error", (error: Error) => {
      // What waits may never be answered for now, as on Deno, and whoever waits for that would wait for ever.
      this.#failures++;
      this.#waitingBytes = 0;
      this.#failed(error);
      this.#wake();
    });
  }

  get #stream(): NodeJS.WriteStream {
    return this.#fd === 1 ? process.stdout : process.stderr;
  }

  // On Node.js a stream to a file takes a write for whole of which the disk took a part.
  #goesToFile(): boolean {
    if (this.#isFile === null) {
      try {
        this.#isFile = fstatSync(this.#fd).isFile();
      } catch {
        this.#isFile = false;
      }
    }
    return this.#isFile;
  }

  #writeWhole(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      this.#failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #failed(error: Error): void {
    if (codeOf(error) !== "EPIPE") this.#failure ??= error;
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

export const standardOutput: Outlet = new Outlet(1);
export const standardError: Outlet = new Outlet(2);

let doneAnyway: string | null = null;

/** What stays true when standard output cannot take what is printed next: `the task x is enqueued`. */
export function sayIfLost(sentence: string): void {
  doneAnyway = sentence;
}

/**
 * Tells on standard error when standard output did not take all that was printed.
 *
 * @returns the exit code: the given one, or 1 where it is 0 and something could not be written.
 */
export function tellLost(code: number): number {
  const { failure } = standardOutput;
  if (failure !== null) {
    const rest = doneAnyway === null ? "" : `; ${doneAnyway}`;
    const line = `taskexe: standard output cannot be written: ${reasonOf(failure)}${rest}`;
    standardError.writeLines("error", `${printable(line)}\n`);
  }
  return code === 0 && (failure ?? standardError.failure) !== null ? 1 : code;
}

/** Writes at once, for a process that ends within this turn; what cannot be written then is lost. */
export function writeLastWord(line: string): void {
  try {
    writeSync(2, standardError.isJournal ? withPriority("fatal", line) : line);
  } catch {
    // Whoever read it is gone, or its disk is full, and there is nobody else to tell.
  }
}

function codeOf(error: Error): string {
  if ("code" in error && error.code !== undefined) return String(error.code);
  return NUMBERED[/\(os error (\d+)\)/.exec(error.message)?.[1] ?? ""] ?? "";
}

function reasonOf(error: Error): string {
  const code = codeOf(error);
  const words = REASONS[code];
  return words === undefined ? error.message : `${words} (${code})`;
}

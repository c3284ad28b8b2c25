/**
 * Reads a small file that a person named, such as a configuration: whole, within a bound, and never one that has no
 * end. Why it cannot be read is told in words, the same for every file of that kind.
 */
import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { withHome } from "../process/home.ts";

/** Beyond this it is no file of settings, in bytes. */
const MOST_BYTES = 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a folder",
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
  ENOTDIR: "a part of the path is not a folder",
  ENAMETOOLONG: "the path is too long",
  ELOOP: "its links go in a circle",
};

/** The file cannot be read; the message is the reason alone, without the path. */
export class UnreadableFileError extends Error {
  override readonly name = "UnreadableFileError";
  /** Of the system: "EACCES"; null where the system did not refuse. */
  readonly code: string | null;

  constructor(reason: string, code: string | null = null) {
    super(reason);
    this.code = code;
  }
}

/** What was read, and what the system says of the file. */
export interface ReadText {
  readonly text: string;
  readonly stats: Stats;
}

/**
 * The whole text of a file (`~/` is the user's home), or of a pipe that this process was given (`<(command)`,
 * `/dev/stdin`).
 *
 * @throws UnreadableFileError where there is none, it is a folder, a named pipe or a device, or it is too large.
 */
export function readText(named: string): ReadText {
  const path = withHome(named);
  try {
    // Opening a named pipe waits for somebody who writes to it, which may be never.
    refuseEndless(statSync(path), path);
    const file = openSync(path, "r");
    try {
      return { text: contentOf(file), stats: fstatSync(file) };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof UnreadableFileError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    throw new UnreadableFileError(
      REASONS[code ?? ""] ?? (code === null ? String(error) : `the system says ${code}`),
      code,
    );
  }
}

function refuseEndless(stats: Stats, path: string): void {
  if (stats.isFile()) return;
  if (stats.isDirectory()) throw new UnreadableFileError("it is a folder", "EISDIR");
  if (/^\/dev\/(fd\/\d+|stdin)$|^\/proc\/(self|\d+)\/fd\/\d+$/.test(path) && stats.isFIFO()) return;
  const kind = stats.isFIFO() ? "a named pipe" : stats.isSocket() ? "a socket" : "a device";
  throw new UnreadableFileError(`it is ${kind}, not a file`);
}

function contentOf(file: number): string {
  const pieces: Uint8Array[] = [];
  for (let size = 0; ; ) {
    const piece = new Uint8Array(64 * 1024);
    const bytes = readSync(file, piece);
    if (bytes === 0) return Buffer.concat(pieces).toString("utf8");
    pieces.push(piece.subarray(0, bytes));
    size += bytes;
    if (size > MOST_BYTES) throw new UnreadableFileError(`it is larger than ${MOST_BYTES / 1024 / 1024} MiB`);
  }
}

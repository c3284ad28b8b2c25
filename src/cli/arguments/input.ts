/** Reads what commands take from files or standard input (`-`): a whole text, or line by line, each within a bound. */
import { createReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { abortable, type CancelScope, moveOnAfter } from "../../concurrency/index.ts";
import { withHome } from "../../runtime/process/home.ts";
import { MAX_MESSAGE_LENGTH } from "../../task/message/message-schema.ts";
import { printable } from "../../task/text/printable.ts";
import { CommandFailure, EXIT_USAGE } from "../process/exit.ts";

/** The longest text of a task has so many bytes at the most. */
const MOST_BYTES = 3 * MAX_MESSAGE_LENGTH;
const TOO_LONG = `longer than ${MAX_MESSAGE_LENGTH} characters, which is the longest a task can be`;

const LINE_END = 0x0a;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** For how long nothing must come until the input counts as pausing, in ms. */
const PAUSE_MS = 100;

/** A line of input, its number from 1, and how many bytes of the input have been read by then. */
export interface Line {
  readonly number: number;
  readonly text: LineText;
  readonly bytesRead: number;
}

/** The text of a line, or why it has none. */
export type LineText = string | { readonly problem: string };

/** The size of a file in bytes; null for standard input and whatever has none. */
export function sizeOf(path: string): number | null {
  if (path === "-") return null;
  try {
    const stat = statSync(withHome(path));
    return stat.isFile() ? stat.size : null;
  } catch {
    return null;
  }
}

/**
 * The whole text.
 *
 * @throws CommandFailure when it cannot be read, is not UTF-8, or is longer than any task can be.
 */
export async function readText(path: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of openInput(path)) {
      const piece = bytesOf(chunk);
      pieces.push(piece);
      length += piece.byteLength;
      if (length > MOST_BYTES) break;
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  const text = length > MOST_BYTES ? { problem: TOO_LONG } : decoded(Buffer.concat(pieces));
  if (typeof text !== "string") throw new CommandFailure(`${nameOf(path)}: ${text.problem}`, EXIT_USAGE);
  if (text.length > MAX_MESSAGE_LENGTH) throw new CommandFailure(`${nameOf(path)}: ${TOO_LONG}`, EXIT_USAGE);
  return withoutMark(text);
}

/**
 * The lines that are not empty, as they come: those of each piece of the input together, and none at all where the
 * input pauses, so that what was read need not wait for what is slow. Ends, as at the end of the input, once `scope` is
 * cancelled.
 *
 * @throws CommandFailure when it cannot be read.
 */
export async function* readLines(path: string, scope: CancelScope): AsyncGenerator<readonly Line[]> {
  let number = 0;
  let bytesRead = 0;
  let rest = new RestOfLine();
  for await (const piece of piecesOf(path, scope)) {
    if (piece === "pause") {
      yield [];
      continue;
    }
    bytesRead += piece.byteLength;
    const end = piece.indexOf(LINE_END);
    if (end === -1) {
      rest.add(piece);
      continue;
    }
    rest.add(piece.subarray(0, end));
    const last = piece.lastIndexOf(LINE_END);
    const texts = [rest.text(number === 0), ...(last > end ? linesOf(piece.subarray(end + 1, last)) : [])];
    rest = new RestOfLine();
    rest.add(piece.subarray(last + 1));
    const lines = texts.map((text, index) => ({ number: number + index + 1, text, bytesRead }));
    number += texts.length;
    yield lines.filter(isNotEmpty);
  }
  // Of a line that was cut off by the cancel nobody knows how it would have gone on.
  if (scope.cancelCalled) return;
  yield [{ number: number + 1, text: rest.text(number === 0), bytesRead }].filter(isNotEmpty);
}

/** What was read of a line whose end has not come yet: its pieces, put together once it has. */
class RestOfLine {
  #pieces: Uint8Array[] = [];
  #length = 0;

  add(piece: Uint8Array): void {
    this.#length += piece.byteLength;
    // What is too long for a task is only counted.
    if (this.#length > MOST_BYTES) this.#pieces = [];
    else if (piece.byteLength > 0) this.#pieces.push(piece);
  }

  /** @param isFirst - whether it is the first line, which may begin with a mark of the byte order. */
  text(isFirst: boolean): LineText {
    if (this.#length > MOST_BYTES) return { problem: TOO_LONG };
    const text = decoded(Buffer.concat(this.#pieces));
    return isFirst && typeof text === "string" ? withoutMark(text) : text;
  }
}

/** The texts of lines. All are decoded in one go where they can be; else each alone, so that one spoils no other. */
function linesOf(bytes: Uint8Array): LineText[] {
  const all = decoded(bytes);
  if (typeof all === "string") return all.split("\n");
  const lines: LineText[] = [];
  let from = 0;
  for (let end = bytes.indexOf(LINE_END); end !== -1; end = bytes.indexOf(LINE_END, from)) {
    lines.push(decoded(bytes.subarray(from, end)));
    from = end + 1;
  }
  lines.push(decoded(bytes.subarray(from)));
  return lines;
}

function decoded(bytes: Uint8Array): LineText {
  try {
    return UTF8.decode(bytes);
  } catch {
    return { problem: "it is not UTF-8" };
  }
}

/** The text without the mark of the byte order that some editors write before it. */
function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

function isNotEmpty({ text }: Line): boolean {
  return typeof text !== "string" || text.trim() !== "";
}

/** The bytes of the input as they come, and "pause" once where none came for a while. Ends at the scope's cancel. */
async function* piecesOf(path: string, scope: CancelScope): AsyncGenerator<Uint8Array | "pause"> {
  const stream = openInput(path);
  const chunks: AsyncIterator<unknown> = stream[Symbol.asyncIterator]();
  try {
    while (!scope.cancelCalled) {
      const next = chunks.next();
      const soon = await moveOnAfter(scope, PAUSE_MS, ({ signal }) => abortable(next, signal));
      if (soon.cancelled) yield "pause";
      const { done, value } = soon.cancelled ? await abortable(next, scope.signal) : soon.value;
      if (done) return;
      yield bytesOf(value);
    }
  } catch (error) {
    if (scope.cancelCalled) return;
    throw unreadable(path, error);
  } finally {
    // A read that is under way ends with it.
    stream.destroy();
  }
}

function openInput(path: string): Readable {
  return path === "-" ? process.stdin : createReadStream(withHome(path));
}

function bytesOf(chunk: unknown): Uint8Array {
  return chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
}

function unreadable(path: string, error: unknown): CommandFailure {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  const reason = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "it is a folder" : code;
  return new CommandFailure(`${nameOf(path)} cannot be read: ${reason}`);
}

function nameOf(path: string): string {
  return path === "-" ? "standard input" : printable(path);
}

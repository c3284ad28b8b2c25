/** Reads what commands take from files or standard input (`-`): a whole text, or line by line, each within a bound. */
import { createReadStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { abortable, type CancelScope, moveOnAfter } from "../concurrency/index.ts";
import { MAX_MESSAGE_LENGTH } from "../task/message-schema.ts";
import { CommandFailure } from "./exit.ts";
import { printable } from "./printable.ts";

/** For how long nothing must come until the input counts as pausing, in ms. */
const PAUSE_MS = 100;

/** A line of input, its number from 1, and how many bytes of the input have been read by then. */
export interface Line {
  readonly number: number;
  readonly text: string;
  readonly bytesRead: number;
}

/** The size of a file in bytes; null for standard input and whatever has none. */
export function sizeOf(path: string): number | null {
  if (path === "-") return null;
  try {
    const stat = statSync(path);
    return stat.isFile() ? stat.size : null;
  } catch {
    return null;
  }
}

/**
 * The whole text.
 *
 * @throws CommandFailure when it cannot be read, or is longer than any task can be.
 */
export async function readText(path: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of openInput(path)) {
      text += decoder.decode(bytesOf(chunk), { stream: true });
      if (text.length > MAX_MESSAGE_LENGTH) break;
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  text += decoder.decode();
  if (text.length > MAX_MESSAGE_LENGTH) throw tooLong(path);
  return text;
}

/**
 * The lines that are not empty, as they come: those of each piece of the input together, and none at all where the input
 * pauses, so that what was read need not wait for what is slow. Ends, as at the end of the input, once `scope` is
 * cancelled.
 *
 * @throws CommandFailure when it cannot be read, or a line is longer than any task can be.
 */
export async function* readLines(path: string, scope: CancelScope): AsyncGenerator<readonly Line[]> {
  const decoder = new TextDecoder();
  let number = 0;
  let bytesRead = 0;
  let rest = "";
  for await (const piece of piecesOf(path, scope)) {
    if (piece === "pause") {
      yield [];
      continue;
    }
    bytesRead += piece.byteLength;
    const texts = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = texts.pop() ?? "";
    if (rest.length > MAX_MESSAGE_LENGTH) throw tooLong(`${path}, line ${number + texts.length + 1}`);
    const lines = texts.map((text, index) => ({ number: number + index + 1, text, bytesRead }));
    number += texts.length;
    yield lines.filter(isNotEmpty);
  }
  // Of a line that was cut off by the cancel nobody knows how it would have gone on.
  if (scope.cancelCalled) return;
  yield [{ number: number + 1, text: rest + decoder.decode(), bytesRead }].filter(isNotEmpty);
}

function isNotEmpty({ text }: Line): boolean {
  return text.trim() !== "";
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
  return path === "-" ? process.stdin : createReadStream(path);
}

function bytesOf(chunk: unknown): Uint8Array {
  return chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
}

function unreadable(path: string, error: unknown): CommandFailure {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  const reason = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "it is a folder" : code;
  return new CommandFailure(`${path === "-" ? "standard input" : printable(path)} cannot be read: ${reason}`);
}

function tooLong(what: string): CommandFailure {
  return new CommandFailure(
    `${what}: longer than ${MAX_MESSAGE_LENGTH} characters, which is the longest a task can be`,
  );
}

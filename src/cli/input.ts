/** Reads what commands take from files or standard input (`-`): a whole text, or line by line, each within a bound. */
import { createReadStream, statSync } from "node:fs";
import { MAX_MESSAGE_LENGTH } from "../task/message.ts";
import { CommandFailure } from "./exit.ts";

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
  for await (const chunk of bytesOf(path)) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_MESSAGE_LENGTH) throw tooLong(path);
  }
  return text + decoder.decode();
}

/**
 * The lines that are not empty.
 *
 * @throws CommandFailure when it cannot be read, or a line is longer than any task can be.
 */
export async function* readLines(path: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let number = 0;
  let bytesRead = 0;
  let rest = "";
  for await (const chunk of bytesOf(path)) {
    bytesRead += chunk.byteLength;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_MESSAGE_LENGTH) throw tooLong(`${path}, line ${number + lines.length + 1}`);
    for (const text of lines) {
      number++;
      if (text.trim() !== "") yield { number, text, bytesRead };
    }
  }
  rest += decoder.decode();
  if (rest.trim() !== "") yield { number: number + 1, text: rest, bytesRead };
}

async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  const stream = path === "-" ? process.stdin : createReadStream(path);
  try {
    for await (const chunk of stream) yield chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const reason = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "it is a folder" : code;
    throw new CommandFailure(`${path === "-" ? "standard input" : path} cannot be read: ${reason}`);
  }
}

function tooLong(what: string): CommandFailure {
  return new CommandFailure(
    `${what}: longer than ${MAX_MESSAGE_LENGTH} characters, which is the longest a task can be`,
  );
}

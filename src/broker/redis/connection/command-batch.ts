/**
 * Commands in Redis' protocol, encoded here: ioredis hangs a promise and a handful of objects on each command, and
 * measures, copies and joins each of hundreds of arguments by itself; for XACK and XDEL, which take the same ids,
 * twice.
 */
import type { RedisCommand } from "../claims/outcome-commands.ts";

/** The ids of entries as the last arguments of a command. */
export interface EncodedIds {
  readonly count: number;
  /** In RESP, up to the last line break. */
  readonly text: string;
}

/** How RESP says the length of a short text: made once, as arguments are of few lengths. */
const LENGTHS = Array.from({ length: 64 }, (_, length) => `$${length}`);

function lengthOf(bytes: number): string {
  return LENGTHS[bytes] ?? `$${bytes}`;
}

/** @param entries - ids as Redis makes them, `{ms}-{number}`: ASCII, so each is as many bytes as characters. */
export function encodeIds(entries: readonly string[]): EncodedIds {
  const parts: string[] = [];
  for (const entry of entries) parts.push(lengthOf(entry.length), entry);
  return { count: entries.length, text: parts.join("\r\n") };
}

/** Commands that go out in one write. */
export class CommandBatch {
  readonly #parts: string[] = [];
  #length = 0;

  /** How many commands it holds. */
  get length(): number {
    return this.#length;
  }

  /** @param ids - those ids are the command's last arguments. */
  add(command: RedisCommand, ids?: EncodedIds): void {
    this.#length++;
    this.#parts.push(`*${command.length + (ids?.count ?? 0)}`);
    for (const argument of command) {
      const text = String(argument);
      this.#parts.push(lengthOf(Buffer.byteLength(text)), text);
    }
    if (ids !== undefined) this.#parts.push(ids.text);
  }

  /** All of it, as it goes over the socket. */
  encode(): string {
    return `${this.#parts.join("\r\n")}\r\n`;
  }
}

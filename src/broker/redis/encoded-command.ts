/**
 * Commands over many stream entries, encoded here: ioredis measures, copies and joins each of hundreds of arguments by
 * itself, and for XACK and XDEL, which take the same ids, all of it twice.
 */
import { type ChainableCommander, Command, Pipeline } from "ioredis";

/** The ids of entries as the last arguments of a command. */
export interface EncodedIds {
  readonly count: number;
  /** In RESP, up to the last line break. */
  readonly text: string;
}

/** How RESP says the length of a short text: made once, as ids are of few lengths. */
const LENGTHS = Array.from({ length: 64 }, (_, length) => `$${length}`);

/** @param entries - ids as Redis makes them, `{ms}-{number}`: ASCII, so each is as many bytes as characters. */
export function encodeIds(entries: readonly string[]): EncodedIds {
  const parts: string[] = [];
  for (const entry of entries) parts.push(LENGTHS[entry.length] ?? `$${entry.length}`, entry);
  return { count: entries.length, text: parts.join("\r\n") };
}

/** Queues a command whose last arguments are those ids. */
export function queueOverIds(
  pipeline: ChainableCommander,
  name: string,
  first: readonly string[],
  ids: EncodedIds,
): void {
  if (!(pipeline instanceof Pipeline)) throw new TypeError("commands over many entries go into a pipeline");
  const head = [name, ...first].map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("");
  pipeline.sendCommand(new EncodedCommand(name, `*${1 + first.length + ids.count}\r\n${head}${ids.text}\r\n`));
}

class EncodedCommand extends Command {
  readonly #encoded: string;

  constructor(name: string, encoded: string) {
    super(name, [], { replyEncoding: "utf8" });
    this.#encoded = encoded;
  }

  override toWritable(): string {
    return this.#encoded;
  }
}

/** Reads records of tasks, many in one round trip: whole, or only what is short of them. Those of older versions, too. */
import type { ChainableCommander } from "ioredis";
import { execute, type RedisConnections } from "../connections.ts";
import { recordKey } from "../keys.ts";
import { HEAD_BYTES, type RecordFields, readHash, type Unpacked, unpack } from "./codec.ts";

/** Whole records, in order; null where there is none. */
export async function readWhole(
  connections: RedisConnections,
  ids: readonly string[],
): Promise<(RecordFields | null)[]> {
  const read = await readAll(connections, ids, (pipeline, key) => pipeline.getBuffer(key));
  return read.map((each) => each?.fields ?? null);
}

/** The short fields of records (codec.ts): those before `unique`, in the order that is told there. */
export async function readHeads(
  connections: RedisConnections,
  ids: readonly string[],
): Promise<(RecordFields | null)[]> {
  const read = await readAll(connections, ids, (pipeline, key) => pipeline.getrangeBuffer(key, 0, HEAD_BYTES - 1));
  return read.map((each) => each?.fields ?? null);
}

/** @param ask - queues the question for one record, as bytes. */
export async function readAll(
  connections: RedisConnections,
  ids: readonly string[],
  ask: (pipeline: ChainableCommander, key: string) => void,
): Promise<(Unpacked | null)[]> {
  if (ids.length === 0) return [];
  return connections.run(async (redis) => {
    const pipeline = redis.pipeline();
    for (const id of ids) ask(pipeline, recordKey(id));
    const replies = await execute(pipeline);
    const hashes: number[] = [];
    const found = ids.map((id, index): Unpacked | null => {
      const [error, bytes] = replies[index] ?? [null, null];
      if (error?.message.startsWith("WRONGTYPE")) hashes.push(index);
      else if (error) throw error;
      return Buffer.isBuffer(bytes) ? unpack(id, bytes) : null;
    });
    if (hashes.length === 0) return found;
    // As versions before 0.2 wrote them.
    const old = redis.pipeline();
    for (const index of hashes) old.hgetall(recordKey(ids[index] ?? ""));
    for (const [at, [, hash]] of (await execute(old)).entries()) {
      const fields = typeof hash === "object" && hash !== null ? readHash({ ...hash }) : null;
      found[hashes[at] ?? 0] = fields === null ? null : { fields, cut: null };
    }
    return found;
  });
}

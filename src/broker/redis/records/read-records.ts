/** Reads records of tasks, many in one round trip: whole, or only what is short of them. Older forms are read, too. */
import { execute, type RedisConnections } from "../connection/connections.ts";
import { recordKey } from "../keys.ts";
import { plainScript, runScriptForBytes } from "../scripts/lua.ts";
import { HEAD_BYTES, type RecordFields, readHash, type Unpacked, unpack } from "./codec.ts";

/** How many one call reads at the most, and of how many bytes: about 1 ms. */
const CHUNK = 250;
const CHUNK_BYTES = 1_000_000;

/**
 * ARGV the last byte that is read of each, how many bytes to read, keys -> the texts, nil where a key holds no string;
 * fewer than keys where they are long. In one answer: a command for each of a hundred thousand takes more of our time
 * than all that is done with them.
 */
const READ = plainScript(
  `
local out, bytes = {}, 0
for i = 3, #ARGV do
  local text = redis.pcall('GETRANGE', ARGV[i], 0, ARGV[1])
  if type(text) == 'table' then
    if string.sub(text.err, 1, 9) ~= 'WRONGTYPE' then return text end
    text = false
  end
  out[#out + 1] = text
  bytes = bytes + (text and #text or 0)
  if bytes >= tonumber(ARGV[2]) then break end
end
return out`,
  0,
);

/** Whole records, in order; null where there is none. */
export async function readWhole(
  connections: RedisConnections,
  ids: readonly string[],
): Promise<(RecordFields | null)[]> {
  return (await readAll(connections, ids, -1)).map((each) => each?.fields ?? null);
}

/** The short fields of records (codec.ts): those before `unique`, in the order that is told there. */
export async function readHeads(
  connections: RedisConnections,
  ids: readonly string[],
): Promise<(RecordFields | null)[]> {
  return (await readAll(connections, ids, HEAD_BYTES - 1)).map((each) => each?.fields ?? null);
}

/** @param last - the last byte that is read of each; -1: all. */
async function readAll(
  connections: RedisConnections,
  ids: readonly string[],
  last: number,
): Promise<(Unpacked | null)[]> {
  const found: (Unpacked | null)[] = [];
  const hashes: number[] = [];
  while (found.length < ids.length) {
    const some = ids.slice(found.length, found.length + CHUNK);
    const reply = await connections.run((redis) =>
      runScriptForBytes(redis, READ, last, CHUNK_BYTES, ...some.map(recordKey)),
    );
    const texts: readonly unknown[] = Array.isArray(reply) ? reply : [];
    if (texts.length === 0) throw new TypeError("the script that reads records gave none");
    for (const text of texts) {
      const index = found.length;
      if (text === null) hashes.push(index);
      found.push(Buffer.isBuffer(text) ? unpack(ids[index] ?? "", text) : null);
    }
  }
  if (hashes.length === 0) return found;
  // As versions before 0.2 wrote them.
  return connections.run(async (redis) => {
    const old = redis.pipeline();
    for (const index of hashes) old.hgetall(recordKey(ids[index] ?? ""));
    for (const [at, [, hash]] of (await execute(old)).entries()) {
      const fields = typeof hash === "object" && hash !== null ? readHash({ ...hash }) : null;
      found[hashes[at] ?? 0] = fields === null ? null : { fields, cut: null };
    }
    return found;
  });
}

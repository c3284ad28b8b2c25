/**
 * Tasks whose record says that they wait, and that nothing holds: a stream, a group's consumer or a sorted set was
 * deleted by hand. No index names them, so all records are gone through, a bounded number at each clean-up, by
 * whichever executor has the lock; how far that has come and what was found stands in a hash, so that all tell the
 * same. They are found and counted here; a retry, or an enqueue of the same id, queues them again. One whose entry
 * stands, and that another program has acknowledged, is ended (elsewhere.ts).
 */
import type { Vanished } from "../../broker.ts";
import { isAnswer } from "../connection/answers.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { inChunks } from "../connection/in-flight.ts";
import { RECORD_PREFIX, VANISHED_KEY } from "../keys.ts";
import { runScript, script } from "../scripts/lua.ts";
import { WHEREABOUTS } from "../scripts/whereabouts.ts";
import type { RedisElsewhere } from "./elsewhere.ts";

/** How many keys one step of a walk looks at, and how many such steps one look makes. */
const STEP = 500;
const STEPS = 10;
/** How many ids one script call looks at. */
const CHUNK = 100;
/** How many ids are told. */
const MOST_TOLD = 10;
/** A walk goes on so long after the last step, in ms: of many executors each cleans up. */
const PAUSE_MS = 5_000;
/** How long the hash stays while nobody looks, in ms. */
const KEPT_MS = 86_400_000;

/** ARGV record prefix, ids... -> those that nothing holds. A record that cannot be read is none. */
const FIND = script(
  `${WHEREABOUTS}
local function isLost(id)
  local r = headOf(ARGV[1] .. id)
  return r and isWaiting(r.state) and r.queue and not isHeld(id, r)
end
local out = {}
for i = 2, #ARGV do
  local ok, lost = pcall(isLost, ARGV[i])
  if not ok then oneOnly(lost) elseif lost then out[#out + 1] = ARGV[i] end
end
return out`,
  0,
);

export class RedisVanished {
  readonly #connections: RedisConnections;
  readonly #elsewhere: RedisElsewhere;
  readonly #now: () => number;

  constructor(connections: RedisConnections, elsewhere: RedisElsewhere, now: () => number) {
    this.#connections = connections;
    this.#elsewhere = elsewhere;
    this.#now = now;
  }

  /** Goes on with the walk; to be called under the clean-up lock. Null: Redis does not let us look through its keys. */
  async look(): Promise<Vanished | null> {
    const known = await this.#connections.run((redis) => redis.hgetall(VANISHED_KEY));
    const at = Number(known.at ?? 0);
    const last = { count: Number(known.count ?? 0), ids: idsIn(known.ids), countedAt: at };
    if (Math.abs(this.#now() - at) < PAUSE_MS) return last;
    try {
      return await this.#walk(last, known);
    } catch (error) {
      if (error instanceof Error && isAnswer(error)) return null;
      throw error;
    }
  }

  async #walk(last: Vanished, known: Readonly<Record<string, string>>): Promise<Vanished> {
    let cursor = known.cursor ?? "0";
    let found = Number(known.found ?? 0);
    const ids = idsIn(known.found_ids);
    for (let step = 0; step < STEPS; step++) {
      const [next, keys] = await this.#connections.run((redis) =>
        redis.scan(cursor, "MATCH", `${RECORD_PREFIX}*`, "COUNT", STEP),
      );
      const lost = await this.#lostOf(keys.map((key) => key.slice(RECORD_PREFIX.length)));
      found += lost.length;
      for (const id of lost) if (ids.length < MOST_TOLD && !ids.includes(id)) ids.push(id);
      cursor = next;
      if (cursor === "0") break;
    }
    const countedAt = Math.round(this.#now());
    // Until all records have been seen, what was found so far may be more than what was known.
    const isWhole = cursor === "0";
    const seen = isWhole || found > last.count ? { count: found, ids: [...ids], countedAt } : { ...last, countedAt };
    const rest = isWhole ? { found: 0, found_ids: "[]" } : { found, found_ids: JSON.stringify(ids) };
    await this.#connections.run(async (redis) => {
      await redis.hset(VANISHED_KEY, {
        ...{ cursor, at: countedAt, count: seen.count, ids: JSON.stringify(seen.ids) },
        ...rest,
      });
      await redis.pexpire(VANISHED_KEY, KEPT_MS);
    });
    return seen;
  }

  #lostOf(ids: readonly string[]): Promise<string[]> {
    return inChunks(ids, CHUNK, async (chunk) => {
      const reply = await this.#connections.run((redis) => runScript(redis, FIND, RECORD_PREFIX, ...chunk));
      const found = Array.isArray(reply) ? reply.map(String) : [];
      const ended = new Set(await this.#elsewhere.end(found));
      return found.filter((id) => !ended.has(id));
    });
  }
}

function idsIn(text: string | undefined): string[] {
  const ids: unknown = JSON.parse(text || "[]");
  return Array.isArray(ids) ? ids.map(String) : [];
}

/**
 * All queues that were ever used, so that the fleet can clean those that no executor serves any more. Each process
 * writes a queue down when it uses it first, and again once an hour while it does: nothing of this is on the way of
 * each task. A queue whose streams stand there before it is written down has streams of somebody else.
 */
import { MAX_PRIORITIES } from "../../task/options/enqueue-options.ts";
import type { OtherQueues } from "../contract/admin.ts";
import type { KeepingRules } from "../removal.ts";
import { isAnswer } from "./connection/answers.ts";
import type { RedisConnections } from "./connection/connections.ts";
import { FOREIGN_QUEUES_KEY, QUEUE_RULES_KEY, QUEUES_KEY } from "./keys.ts";
import { runScript, script } from "./scripts/lua.ts";

/** How often a process writes a queue down that it uses, in ms. */
export const AGAIN_MS = 3_600_000;
/** How many queues are known at the most; a further one is known once another has gone. */
const MOST_QUEUES = 100_000;
/** How many queues a process remembers to have written down, and how many one call writes down. */
const MOST_REMEMBERED = 10_000;
const CHUNK = 100;

/**
 * KEYS queues, foreign queues, rules; ARGV how many may be known, the rules ("": they stay), "1" where the queues are
 * used just now, then their names.
 */
const REGISTER = script(
  `
expect('zset', KEYS[1])
expect('set', KEYS[2])
expect('hash', KEYS[3])
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local function isForeign(name)
  for priority = 0, ${MAX_PRIORITIES - 1} do
    if call('EXISTS', 'te.' .. priority .. '.' .. name) == 1 then return true end
  end
  return false
end
for i = 4, #ARGV do
  local name = ARGV[i]
  local isKnown = call('ZSCORE', KEYS[1], name)
  if not isKnown and call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
    if isForeign(name) then call('SADD', KEYS[2], name) end
    call('ZADD', KEYS[1], now, name)
    isKnown = true
  elseif isKnown and ARGV[3] == '1' then
    call('ZADD', KEYS[1], now, name)
  end
  if isKnown and ARGV[2] ~= '' then call('HSET', KEYS[3], name, ARGV[2]) end
end
return 1`,
  3,
);

export class RedisQueueRegister {
  readonly #connections: RedisConnections;
  /** When each was written down, on the monotonic clock; the oldest first. */
  readonly #written = new Map<string, number>();
  #servedAt = Number.NEGATIVE_INFINITY;

  constructor(connections: RedisConnections) {
    this.#connections = connections;
  }

  /** Whether this process has not written a queue down lately. */
  isDue(queue: string): boolean {
    const at = this.#written.get(queue);
    return at === undefined || performance.now() - at >= AGAIN_MS;
  }

  /** Before something is put into these queues. Costs nothing where they were written down lately. */
  async use(queues: readonly string[]): Promise<void> {
    const now = performance.now();
    const due = new Set(queues.filter((queue) => this.isDue(queue)));
    if (due.size === 0) return;
    if (!(await this.#register([...due], "", true))) return;
    for (const queue of due) {
      this.#written.delete(queue);
      this.#written.set(queue, now);
    }
    for (const queue of this.#written.keys()) {
      if (this.#written.size <= MOST_REMEMBERED) break;
      this.#written.delete(queue);
    }
  }

  /** Before an executor makes the groups of the queues that it serves; its rules count while nobody serves them. */
  async serve(queues: readonly string[], rules: KeepingRules): Promise<void> {
    if (await this.#register(queues, rulesText(rules), true)) this.#servedAt = performance.now();
  }

  /** While it serves them. */
  async goOnServing(queues: readonly string[], rules: KeepingRules): Promise<void> {
    if (performance.now() - this.#servedAt >= AGAIN_MS) await this.serve(queues, rules);
  }

  /** Writes queues down that were found to be there, and that may not have been used for long. */
  async found(queues: readonly string[]): Promise<void> {
    await this.#register(queues, "", false);
  }

  /** Counts queues as used that somebody needs, though nothing comes into them. */
  async stillUsed(queues: readonly string[]): Promise<void> {
    await this.#register(queues, "", true);
  }

  /** Those beside the given ones, `max` at the most, the latest used first; and how many there are. */
  async others(own: readonly string[], max: number): Promise<OtherQueues> {
    return this.#connections.run(async (redis) => {
      const [latest, count, scores] = await Promise.all([
        redis.zrevrange(QUEUES_KEY, 0, max + own.length - 1),
        redis.zcard(QUEUES_KEY),
        redis.zmscore(QUEUES_KEY, ...own),
      ]);
      const names = latest.filter((name) => !own.includes(name)).slice(0, max);
      return { names, count: count - scores.filter((score) => score !== null).length };
    });
  }

  /**
   * False where Redis does not let us: what is to be done with the queue goes on, and the walk over all keys finds it.
   */
  async #register(queues: readonly string[], rules: string, areUsed: boolean): Promise<boolean> {
    try {
      for (let at = 0; at < queues.length; at += CHUNK) {
        const names = queues.slice(at, at + CHUNK);
        const keys = [QUEUES_KEY, FOREIGN_QUEUES_KEY, QUEUE_RULES_KEY];
        await this.#connections.run((redis) =>
          runScript(redis, REGISTER, ...keys, MOST_QUEUES, rules, areUsed ? "1" : "", ...names),
        );
      }
      return true;
    } catch (error) {
      if (error instanceof Error && isAnswer(error)) return false;
      throw error;
    }
  }
}

function rulesText({ doneLimit, cancelledLimit, deadLimit, deadRetentionMs }: KeepingRules): string {
  return [doneLimit, cancelledLimit, deadLimit, deadRetentionMs].join(" ");
}

/** What was written down of a queue; null where no executor has served it since, or it cannot be read. */
export function rulesIn(text: string | null | undefined): KeepingRules | null {
  const match = /^(\d+) (\d+) (\d+) (\d+(?:\.\d+)?)$/.exec(text ?? "");
  if (match === null) return null;
  const [doneLimit = 0, cancelledLimit = 0, deadLimit = 0, deadRetentionMs = 0] = match.slice(1).map(Number);
  return { doneLimit, cancelledLimit, deadLimit, deadRetentionMs };
}

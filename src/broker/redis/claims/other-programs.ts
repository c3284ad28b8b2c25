/**
 * Executors of other programs beside ours, as RagFlow's: whether one lives that may run what we cannot, and the whiles
 * in which none of ours reads a stream, so that it gets what we have left to it. It polls every 5 s, and a read of ours
 * that waits would win each time. Which streams are left, from when until when on Redis' clock, stands in a hash for
 * the whole fleet, which ends by itself.
 */
import type { Delivery } from "../../broker.ts";
import type { OtherPrograms } from "../../contract/consumer.ts";
import { BLOCK_MS, type RedisConnections } from "../connection/connections.ts";
import type { RedisFleet } from "../fleet.ts";
import { LEFT_TO_OTHERS_KEY } from "../keys.ts";
import { runScript, script } from "../scripts/lua.ts";
import { byStream } from "./delivery.ts";

/** How long none of ours reads, in ms, and how often at the most. */
const QUIET_MS = 5_500;
const EVERY_MS = 11_000;
/** All of ours know of it by then: a read waits no longer, and each tells whether anything is left. */
const LEAD_MS = BLOCK_MS + 500;
/** How much later the entries go back, in ms: clocks are only estimated. */
const MARGIN_MS = 200;
/** How long the hash stays, in ms. */
const KEPT_MS = 60_000;
/** How long what is known is believed, in ms: of the hash, and of the fleet. */
const BELIEVED_MS = 250;
const FLEET_BELIEVED_MS = 1_000;

/** KEYS hash; ARGV lead, how long, how often, margin, how long the hash stays, streams -> in how many ms all may go. */
const LEAVE = script(
  `
expect('hash', KEYS[1])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lead, quiet, every, margin = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local latest = now
for i = 6, #ARGV do
  local from, to = string.match(call('HGET', KEYS[1], ARGV[i]) or '', '^(%d+) (%d+)$')
  from, to = tonumber(from or 0), tonumber(to or 0)
  if now >= to then
    from = math.max(now + lead, from + every)
    call('HSET', KEYS[1], ARGV[i], string.format('%.0f %.0f', from, from + quiet))
  end
  latest = math.max(latest, from + margin)
end
call('PEXPIRE', KEYS[1], ARGV[5])
return latest - now`,
  1,
);

export class RedisOtherPrograms implements OtherPrograms {
  readonly #connections: RedisConnections;
  readonly #fleet: Pick<RedisFleet, "members">;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  /** By stream: from when until when it is not read, Unix ms on Redis' clock. */
  #quiet = new Map<string, readonly [from: number, to: number]>();
  /** When the hash, and when the fleet was read, on the monotonic clock. */
  #readAt = Number.NEGATIVE_INFINITY;
  #membersAt = Number.NEGATIVE_INFINITY;
  #members: Awaited<ReturnType<RedisFleet["members"]>> = [];

  constructor(connections: RedisConnections, fleet: Pick<RedisFleet, "members">, timeoutMs: number, now: () => number) {
    this.#connections = connections;
    this.#fleet = fleet;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  async mayRun(type: string): Promise<boolean> {
    if (performance.now() - this.#membersAt > FLEET_BELIEVED_MS) {
      this.#members = await this.#fleet.members();
      this.#membersAt = performance.now();
    }
    const living = this.#members.filter(({ at }) => at !== null && this.#now() - at <= this.#timeoutMs);
    const beats = living.map(({ beat }) => beat).filter((beat) => beat !== null);
    const ours = beats.filter(({ lease_ms: leaseMs }) => leaseMs !== undefined);
    // One that does not tell all of its types may have this one.
    const mayHave = ours.some(({ types, more_types: more = 0 }) => {
      return types === undefined || more > 0 || types.includes(type) || types.includes("*");
    });
    return ours.length < beats.length && !mayHave;
  }

  async quietIn(deliveries: readonly Delivery[]): Promise<number> {
    const streams = [...byStream(deliveries).keys()];
    const times = [LEAD_MS, QUIET_MS, EVERY_MS, MARGIN_MS, KEPT_MS];
    const reply = await this.#connections.run((redis) =>
      runScript(redis, LEAVE, LEFT_TO_OTHERS_KEY, ...times, ...streams),
    );
    return Number(reply);
  }

  /** What a read has told: whether anything is left. Where something is, the hash is read, now and then. */
  async told(someAreLeft: boolean): Promise<void> {
    if (!someAreLeft) {
      this.#readAt = performance.now();
      if (this.#quiet.size > 0) this.#quiet = new Map();
    } else if (performance.now() - this.#readAt > BELIEVED_MS) await this.#read();
  }

  /** Before a read of an executor that has read nothing for so long that it may not know. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#readAt > LEAD_MS) await this.#read();
  }

  isQuiet(stream: string): boolean {
    const [from, to] = this.#quiet.get(stream) ?? [0, 0];
    return to > 0 && this.#now() >= from && this.#now() < to;
  }

  /** How long a read may wait, in ms: until a stream is left, or is read again. */
  get waitMs(): number {
    const now = this.#now();
    const next = [...this.#quiet.values()].flat().filter((at) => at > now);
    return Math.max(1, Math.min(BLOCK_MS, ...next.map((at) => Math.ceil(at - now))));
  }

  async #read(): Promise<void> {
    const fields = await this.#connections.run((redis) => redis.hgetall(LEFT_TO_OTHERS_KEY));
    this.#readAt = performance.now();
    this.#quiet = new Map();
    for (const [stream, text] of Object.entries(fields)) {
      const [from = 0, to = 0] = text.split(" ").map(Number);
      this.#quiet.set(stream, [from, to]);
    }
  }
}

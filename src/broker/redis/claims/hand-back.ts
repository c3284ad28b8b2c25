/**
 * Hands claimed entries back unrun. They keep their place where nothing else that still stands in the stream was
 * delivered after them: the group's last delivered entry is then set back to before them. Where others have claimed
 * later entries that would deliver those twice, so the entries go, in their order, behind what waits. Where nothing
 * waits that is the same place, and it wakes blocked readers, which setting the group back does not. Either way every
 * consumer of the group can read them, foreign ones too.
 */
import { sleep } from "../../../concurrency/index.ts";
import { MOVES } from "../../../task/state.ts";
import type { Delivery } from "../../broker.ts";
import { GIVEN_UP } from "../../lease-stamp.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { GROUP, LEFT_ENTRIES_KEY, VOID_ENTRIES_KEY } from "../keys.ts";
import { runScript, type Script, script } from "../scripts/lua.ts";
import { WHEREABOUTS } from "../scripts/whereabouts.ts";
import { byStream, type RedisDelivery, recordKeyOf } from "./delivery.ts";
import type { LastDelivered } from "./last-delivered.ts";

/** How many entries one script call may touch. */
const CHUNK = 200;
/**
 * Of a claim of fewer than so many, how often a surplus is tried to be put in its place, and the pause between, in ms.
 * Where more are claimed at once others claim all the time: ours will not be the last ones soon.
 */
const MANY = 8;
const TRIES = 4;
const PAUSE_MS = 5;
/** A signal that never aborts, for the little that must be finished after an abort. */
const NEVER = new AbortController().signal;

const { cancel, release } = MOVES;

/** One that was cancelled while it waited stays so. */
const QUEUED_AGAIN = `${WHEREABOUTS}
local function queuedAgain(key, entry)
  -- A record of another type is none, and holds up nothing.
  local isRead, r = pcall(readRecord, key)
  if not isRead or not r then return end
  local isCancelled = r.state == '${cancel.to}'
  if not isCancelled and isOfProgress(r) then return call('DEL', key) end
  r.entry = entry
  if not isCancelled then r.state = '${release.to}' end
  writeRecord(key, r)
end
local function isBefore(one, other)
  local ms, n = split(one)
  local otherMs, otherN = split(other)
  return ms < otherMs or (ms == otherMs and n < otherN)
end
local function isOurs(id)
  return isOwn(KEYS[1], ARGV[2], id, false)
end
`;

/**
 * KEYS stream; ARGV group, consumer, then pairs of entry id and record key ("" for none), oldest first
 * -> 1: those that are ours wait in their place; 0: that cannot be, and nothing was changed.
 */
const IN_PLACE = script(
  `${QUEUED_AGAIN}
local ours, records = {}, {}
for i = 3, #ARGV, 2 do
  if isOurs(ARGV[i]) then
    ours[#ours + 1] = ARGV[i]
    records[ARGV[i]] = ARGV[i + 1]
  end
end
if #ours == 0 then return 1 end
local last, read
for _, flat in ipairs(call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  if group.name == ARGV[1] then last, read = group['last-delivered-id'], group['entries-read'] end
end
if #call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1) == 0 then return 0 end
local walk = call('XREVRANGE', KEYS[1], last, '-', 'COUNT', #ours)
if #walk < #ours then return 0 end
for _, entry in ipairs(walk) do
  if not records[entry[1]] then return 0 end
end
-- The id just before the first of them: that of the entry before it may be a deleted one's, which blurs the lag.
local ms, number = string.match(ours[1], '^(%d+)-(%d+)$')
if tonumber(number) >= 2 ^ 53 then return 0 end
local before = number == '0' and string.format('%.0f-18446744073709551615', ms - 1)
  or string.format('%s-%.0f', ms, number - 1)
-- Nor may one be deleted at or behind that, while older ones stand.
local info = call('XINFO', 'STREAM', KEYS[1])
local about = {}
for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
local deleted = about['max-deleted-entry-id']
if not isBefore(deleted, before) and not isBefore(deleted, about['recorded-first-entry-id']) then return 0 end
call('XACK', KEYS[1], ARGV[1], unpack(ours))
if read and read >= #ours then
  call('XGROUP', 'SETID', KEYS[1], ARGV[1], before, 'ENTRIESREAD', string.format('%.0f', read - #ours))
else
  call('XGROUP', 'SETID', KEYS[1], ARGV[1], before)
end
for id, key in pairs(records) do queuedAgain(key, id) end
return 1`,
  1,
);

/** KEYS and ARGV as above -> how many wait again, behind all others. */
const TO_THE_END = script(
  `${QUEUED_AGAIN}
expect('zset', '${VOID_ENTRIES_KEY}')
expect('hash', '${LEFT_ENTRIES_KEY}')
local n = 0
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  if isOurs(id) then
    local e = call('XRANGE', KEYS[1], id, id)
    local isVoid = call('ZREM', '${VOID_ENTRIES_KEY}', KEYS[1] .. ' ' .. id) == 1
    if #e == 1 and not isVoid then
      queuedAgain(ARGV[i + 1], call('XADD', KEYS[1], '*', unpack(e[1][2])))
      n = n + 1
    end
    call('XACK', KEYS[1], ARGV[1], id)
    takeOut(KEYS[1], id)
  end
end
settle(KEYS[1])
return n`,
  1,
);

export class RedisHandBack {
  readonly #connections: RedisConnections;
  readonly #executor: string;
  readonly #last: LastDelivered;

  constructor(connections: RedisConnections, executor: string, last: LastDelivered) {
    this.#connections = connections;
    this.#executor = executor;
    this.#last = last;
  }

  /** To their place, or behind what waits. Those that are not ours any more are left alone. */
  async release(deliveries: readonly Delivery[]): Promise<void> {
    for (const [stream, all] of byStream(await this.#placeAll(deliveries, 1))) {
      for (const chunk of inChunks(all)) {
        for (const delivery of chunk) delivery.lease = GIVEN_UP;
        this.#last.mayLeave(stream);
        await this.#run(TO_THE_END, stream, chunk);
      }
    }
  }

  /**
   * The surplus of a claim, to its place. Where another executor has claimed as much too many in the same instant, its
   * entries stand behind ours until it has handed them back: ours are tried again then.
   *
   * @param max - how many were asked for.
   * @returns those for which it cannot be done, oldest first within a stream: they are still ours.
   */
  place(deliveries: readonly Delivery[], max: number): Promise<RedisDelivery[]> {
    return this.#placeAll(deliveries, max < MANY ? TRIES : 1);
  }

  async #placeAll(deliveries: readonly Delivery[], tries: number): Promise<RedisDelivery[]> {
    const left: RedisDelivery[] = [];
    for (const [stream, all] of byStream(deliveries)) {
      const chunks = inChunks(all.sort(byEntry));
      // The last first: what stands before it is the end of what was delivered only then.
      for (let last = chunks.at(-1); last !== undefined; last = chunks.at(-1)) {
        if (!(await this.#placed(stream, last, tries))) break;
        for (const delivery of last) delivery.lease = GIVEN_UP;
        chunks.pop();
      }
      left.push(...chunks.flat());
    }
    return left;
  }

  async #placed(stream: string, chunk: readonly RedisDelivery[], tries: number): Promise<boolean> {
    for (let left = tries; ; left--) {
      // Whatever becomes of the call: it may have been carried out.
      this.#last.setBack(stream);
      if ((await this.#run(IN_PLACE, stream, chunk)) === 1) return true;
      if (left <= 1) return false;
      await sleep(PAUSE_MS, NEVER);
    }
  }

  #run(what: Script, stream: string, chunk: readonly RedisDelivery[]): Promise<unknown> {
    const pairs = chunk.flatMap((delivery) => [delivery.entry, recordKeyOf(delivery)]);
    return this.#connections.run((redis) => runScript(redis, what, stream, GROUP, this.#executor, ...pairs));
  }
}

function inChunks(all: readonly RedisDelivery[]): RedisDelivery[][] {
  const chunks: RedisDelivery[][] = [];
  for (let at = 0; at < all.length; at += CHUNK) chunks.push(all.slice(at, at + CHUNK));
  return chunks;
}

/** Oldest first. */
function byEntry(a: RedisDelivery, b: RedisDelivery): number {
  return a.queuedAt - b.queuedAt || numberOf(a) - numberOf(b);
}

/** Which entry of its millisecond. */
function numberOf({ entry }: RedisDelivery): number {
  return Number(entry.slice(entry.indexOf("-") + 1));
}

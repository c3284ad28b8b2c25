/** Enqueues tasks that keep records, all of them or none, in one script. */
import type { Redis } from "ioredis";
import { TASK_STATES } from "../../../task/state.ts";
import type { EnqueueReceipt, EnqueueRequest } from "../../broker.ts";
import { RECORD_PREFIX } from "../keys.ts";
import { ENQUEUE_ONE, TASK_ARGUMENTS, taskArguments } from "./enqueue-one.ts";
import { runScript, script } from "./lua.ts";

/** ARGV record prefix, then those of each task (`read`) -> 3 of each task: 1 when created, its state, whose it is. */
const ENQUEUE = script(
  `${ENQUEUE_ONE}
-- All or nothing: whatever key is of another type is met before anything is written.
local tasks, seen, taken, out = {}, {}, {}, {}
for i = 2, #ARGV, ${TASK_ARGUMENTS} do
  local r = read(i)
  tasks[#tasks + 1] = r
  r.state = stateOf(ARGV[1] .. r.id) or false
  if r.unique ~= '' then call('GET', r.unique) end
  if not seen[r.stream] then expect('stream', r.stream) end
  if tonumber(r.delay) > 0 and not seen[r.scheduled] then
    expect('zset', r.scheduled)
    seen[r.scheduled] = true
  end
  seen[r.stream] = true
end
for i, r in ipairs(tasks) do
  if taken[r.id] then r.state = nil end
  taken[r.id] = true
  local created, state, id = enqueue(ARGV[1], r, (i - 1) % 1024)
  out[#out + 1] = created
  out[#out + 1] = state
  out[#out + 1] = id
end
return out`,
  0,
);

/** @throws (rejects) what Redis says; then none of them is enqueued. */
export async function enqueueTasks(redis: Redis, requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
  const reply = await runScript(redis, ENQUEUE, RECORD_PREFIX, ...requests.flatMap(taskArguments));
  if (!Array.isArray(reply)) throw new TypeError("the enqueue script gave no list");
  return requests.map((_, index) => {
    const state = TASK_STATES.find((name) => name === String(reply[3 * index + 1]));
    const created = Number(reply[3 * index]) === 1;
    return { id: String(reply[3 * index + 2]), created, state: state ?? "queued" };
  });
}

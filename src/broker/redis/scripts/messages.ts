/** The messages of tasks that wait, wherever they stand. */
import type { Redis } from "ioredis";
import { TASK_STATES, type TaskState } from "../../../task/state.ts";
import { RECORD_PREFIX } from "../keys.ts";
import { runScript, script } from "./lua.ts";
import { WHEREABOUTS } from "./whereabouts.ts";

/**
 * ARGV record prefix, then ids -> of each its state ("": no record is kept) and its message ("": it does not wait).
 */
const MESSAGES = script(
  `${WHEREABOUTS}
local out = {}
for i = 2, #ARGV do
  local r = readRecord(ARGV[1] .. ARGV[i])
  local state, message = '', ''
  if r then
    state = r.state
    if isWaiting(state) then
      if r.entry ~= '' and not isToCome(r.stream, r.entry) then
        if holder(r.stream, r.entry) then state = 'running' end
      else message = messageOf(r) or '' end
    end
  end
  out[#out + 1] = state
  out[#out + 1] = message
end
return out`,
  0,
);

export interface WaitingMessage {
  readonly id: string;
  readonly state: TaskState | null;
  readonly message: string;
}

export async function messagesOf(redis: Redis, ids: readonly string[]): Promise<WaitingMessage[]> {
  const reply = await runScript(redis, MESSAGES, RECORD_PREFIX, ...ids);
  const told: unknown[] = Array.isArray(reply) ? reply : [];
  return ids.map((id, index) => {
    const [was, message] = told.slice(2 * index);
    const state = TASK_STATES.find((name) => name === was) ?? null;
    return { id, state, message: typeof message === "string" ? message : "" };
  });
}

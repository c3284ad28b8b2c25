/**
 * What follows the end of a task, in Lua, for the scripts that end tasks: it is enqueued with the record of the ended
 * one as payload. Only where something may follow a script has this part.
 */
import { MOST_ID_BYTES, MOST_MESSAGE, RESULT_TOO_DEEP } from "../../contract/follow-up.ts";
import { ERROR_FIELD, RECORD_PREFIX } from "../keys.ts";

/**
 * A step is a table: 'FOLLOW', the id of the ended task, the id of the one that follows, its type, its stream, its
 * queue, how long its record is kept, '1' where the result is nested too deep, its message before and behind the
 * payload, of a cancelled one the marks of those that were ended while they waited: what follows them is there; how
 * its code was ended, and where the time of its attempt went, as JSON.
 * `mayFollow(step)` looks at keys and rights, before anything is written; `follow(step, r)` enqueues it, `r` being the
 * record of the ended task. `shownId(id)`: how an id stands in that of what follows. `encoded(text)`:
 * as JSON. Needs WHEREABOUTS.
 */
export const FOLLOW = `
local function encoded(value)
  if not value then return 'null' end
  -- What this writes with a backslash, and we do not.
  return (string.gsub(cjson.encode(value), '\\\\/', '/'))
end
local function json(value) return value and value ~= '' and value or 'null' end
local function beginning(value)
  if #value <= ${MOST_MESSAGE} then return value end
  local last = ${MOST_MESSAGE}
  for _ = 1, 3 do
    local code = byte(value, last + 1)
    if code >= 128 and code < 192 then last = last - 1 end
  end
  return sub(value, 1, last)
end
local function errorsOf(r)
  local numbers, list = {}, {}
  for name in pairs(r) do
    local number = match(name, '^${ERROR_FIELD}(%d+)$')
    if number then numbers[#numbers + 1] = tonumber(number) end
  end
  table.sort(numbers)
  for at, number in ipairs(numbers) do list[at] = r['${ERROR_FIELD}' .. format('%.0f', number)] end
  return '[' .. table.concat(list, ',') .. ']'
end
local function nonEmpty(value) return value ~= '' and value or nil end
local function recordJson(id, r, isDeep, endedBy, times)
  local omitted = isDeep and '${RESULT_TOO_DEEP}' or nonEmpty(r.result_omitted)
  return '{"id":' .. encoded(id) .. ',"type":' .. encoded(r.type) .. ',"queue":' .. encoded(r.queue)
    .. ',"priority":' .. (r.priority or '0') .. ',"state":"' .. r.state .. '","attempt":' .. (r.attempt or '0')
    .. ',"crashes":' .. (r.crashes or '0') .. ',"completions":' .. (r.completions or '0')
    .. ',"progress":' .. (r.progress or '0') .. ',"progress_msg":' .. encoded(r.progress_msg or '')
    .. ',"result":' .. (isDeep and 'null' or json(r.result)) .. ',"result_omitted":' .. encoded(omitted)
    .. ',"reason":' .. encoded(r.reason) .. ',"error":' .. (r.state == 'dead' and json(r.error) or 'null')
    .. ',"errors":' .. errorsOf(r)
    .. ',"ended_by":' .. json(endedBy) .. ',"times":' .. json(times) .. ',"executor":' .. encoded(r.executor)
    .. ',"message":' .. encoded(beginning(r.message or ''))
    .. ',"enqueued_at":' .. json(r.enqueued_at) .. ',"started_at":' .. json(r.started_at)
    .. ',"finished_at":' .. json(r.finished_at) .. ',"due_at":' .. json(r.due_at) .. '}'
end
local function mayFollow(step)
  local key = '${RECORD_PREFIX}' .. step[3]
  expect('stream', step[5])
  step.isThere = stateOf(key) or step[11] ~= '' and call('ZSCORE', step[11], step[2])
  mayRun('XADD', step[5])
  if tonumber(step[7]) > 0 then mayRun('SET', key) end
end
local function follow(step, r)
  if step.isThere then return end
  local message = step[9] .. recordJson(step[2], r, step[8] == '1', step[12], step[13]) .. step[10]
  local entry = call('XADD', step[5], '*', 'message', message)
  if tonumber(step[7]) <= 0 then return end
  local new = { state = 'queued', entry = entry, type = step[4], queue = step[6], retention = step[7] }
  new.message = message
  writeRecord('${RECORD_PREFIX}' .. step[3], new)
end
local function shownId(id) return #id <= ${MOST_ID_BYTES} and id or redis.sha1hex(id) end
`;

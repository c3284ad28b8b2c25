/** Taking away what stands of one task beside its record: a fragment of Lua for scripts that people ask for. */

/**
 * Takes an entry out of its stream, whoever has it. For single ones only: the lag is unknown until it is passed. And a
 * flag away, which is a string: its name is made of an id, and what else stands there is no flag.
 */
export const DROP_ENTRY = `
local function unflag(key)
  local held = redis.pcall('GETDEL', key)
  if type(held) == 'table' and held.err and sub(held.err, 1, 9) ~= 'WRONGTYPE' then error(held) end
end
local function dropEntry(group, stream, entry)
  call('XACK', stream, group, entry)
  call('XDEL', stream, entry)
end
`;

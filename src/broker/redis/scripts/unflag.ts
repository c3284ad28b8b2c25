/** Taking away the flag of a task: a fragment of Lua for scripts that people ask for. */

/** Takes a flag away, which is a string: its name is made of an id, and what else stands there is no flag. */
export const UNFLAG = `
local function unflag(key)
  local held = redis.pcall('GETDEL', key)
  if type(held) == 'table' and held.err and sub(held.err, 1, 9) ~= 'WRONGTYPE' then error(held) end
end
`;

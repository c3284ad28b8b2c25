/** The flag of a cancelled task: fragments of Lua for scripts that people ask for. */
import { cancelFlagKey, OWN_PREFIX } from "../keys.ts";

/** `flagOf(id)`: as cancelFlagKey has it. */
export const FLAG_OF = `
local function flagOf(id)
  if string.sub(id, 1, ${OWN_PREFIX.length}) ~= '${OWN_PREFIX}' then return id .. '${cancelFlagKey("")}' end
  return '${cancelFlagKey(OWN_PREFIX).slice(0, -OWN_PREFIX.length)}' .. id
end
`;

/** Takes a flag away, which is a string: its name is made of an id, and what else stands there is no flag. */
export const UNFLAG = `
local function unflag(key)
  local held = redis.pcall('GETDEL', key)
  if type(held) == 'table' and held.err and sub(held.err, 1, 9) ~= 'WRONGTYPE' then error(held) end
end
`;

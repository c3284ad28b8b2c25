/**
 * What every Lua script begins with, and how scripts are known to Redis. A script is not rolled back where a command in
 * it fails: so each looks at the types of its keys first, writes then, and takes entries out of their streams last.
 * A key of another type is never overwritten; the error names it.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { uniqueKey } from "../keys.ts";

/**
 * Lua: whether an error that begins with ERR holds for every task all the same: a right that lacks, or a command that
 * this server does not have.
 */
export function isOfAll(text: string): string {
  return `(string.find(${text}, 'user executing the script') or string.find(${text}, 'command called from'))`;
}

/** Lua: what Redis is made to answer where its user may not run a command on a key. */
export function lackOf(command: string, key: string): string {
  return `'NOPERM this user has no permissions to run ' .. ${command} .. ' on the key "' .. ${key} .. '"'`;
}

/**
 * `call`: as redis.call, but that an error about the type of a key names the key. `expect`: nothing goes on unless each
 * key is of this type, or not there. `mayRun`: nothing goes on where the user of Redis may not run a command on a key,
 * asked before the first write, since Redis itself would refuse it in the middle. `oneOnly`: the text of an error that
 * is a matter of one task alone; any other goes on. `free`: deletes a unique key that this task holds. `timedKey`: the
 * one that is held for a time: not every record has it by itself.
 */
export const PRELUDE = `
local function wrongType(key, held, kind)
  local wanted = kind and ', where a ' .. kind .. ' belongs' or ''
  return { err = 'WRONGTYPE the key "' .. key .. '" holds a ' .. held .. wanted }
end
local function call(name, key, ...)
  local reply = redis.pcall(name, key, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if string.sub(reply.err, 1, 9) ~= 'WRONGTYPE' then error(reply) end
  error(wrongType(key, redis.call('TYPE', key).ok))
end
local function expect(kind, ...)
  for _, key in ipairs({ ... }) do
    local held = redis.call('TYPE', key).ok
    if held ~= kind and held ~= 'none' then error(wrongType(key, held, kind)) end
  end
end
local allowed = {}
local function mayRun(command, key)
  -- Rights are given by command and by how keys begin: once a script for each of both.
  local kind = command .. ' ' .. string.match(key, '^[^:]*:?[^:]*:?')
  if allowed[kind] then return end
  if not redis.acl_check_cmd(command, key) then error({ err = ${lackOf("command", "key")} }) end
  allowed[kind] = true
end
local function oneOnly(reason)
  -- Redis' pcall gives the text of an error, where Lua's own would give the table.
  local text = type(reason) == 'table' and reason.err or tostring(reason)
  local code = string.match(text, '^%u+')
  if (code ~= 'WRONGTYPE' and code ~= 'ERR' and code ~= 'NOGROUP') or ${isOfAll("text")} then error({ err = text }) end
  return text
end
local function timedKey(written, queue, message)
  if written or not message or not string.find(message, '"unique_for_ms"', 1, true) then return written end
  local ok, read = pcall(cjson.decode, message)
  local options = ok and type(read) == 'table' and read.taskexe
  if type(options) ~= 'table' or type(options.unique_key) ~= 'string' then return false end
  return options.unique_for_ms and '${uniqueKey("", "").slice(0, -1)}' .. queue .. ':' .. options.unique_key
end
local function free(key, id)
  if key and key ~= '' and call('GET', key) == id then call('DEL', key) end
end
`;

/** A script, and how many of its arguments are keys. */
export interface Script {
  readonly lua: string;
  readonly keys: number;
  readonly sha: string;
}

/** @param lua - in it `call` and `expect` are there for what is not on the hot path. */
export function script(lua: string, keys: number): Script {
  return plainScript(PRELUDE + lua, keys);
}

/** One that is given nothing: for the hot path, where each function costs. */
export function plainScript(lua: string, keys: number): Script {
  return { lua, keys, sha: createHash("sha1").update(lua).digest("hex") };
}

/** A call of one: the number of its keys, those, and the other arguments. */
export interface ScriptCall {
  readonly script: Script;
  readonly args: (string | number)[];
}

/**
 * Calls a script by its hash, and whole where Redis does not know it (yet, or any more).
 *
 * @param args - its keys, then the rest.
 */
export function runScript(redis: Redis, script: Script, ...args: (string | number)[]): Promise<unknown> {
  return calling(script, args, (...words) => redis.call(...words));
}

/** The same; texts in the answer are bytes. */
export function runScriptForBytes(redis: Redis, script: Script, ...args: (string | number)[]): Promise<unknown> {
  return calling(script, args, (...words) => redis.callBuffer(...words));
}

async function calling(
  { lua, keys, sha }: Script,
  args: readonly (string | number)[],
  call: (...words: [string, ...(string | number)[]]) => Promise<unknown>,
): Promise<unknown> {
  try {
    return await call("EVALSHA", sha, keys, ...args);
  } catch (error) {
    if (!isUnknownScript(error)) throw plain(error);
  }
  try {
    return await call("EVAL", lua, keys, ...args);
  } catch (error) {
    throw plain(error);
  }
}

/** The same error, without the line of the script in its message. */
function plain(error: unknown): unknown {
  if (error instanceof Error) error.message = plainAnswer(error.message);
  return error;
}

/** Whether Redis did not know a script by its hash; it has then not been run. */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** An answer of a script without the line of the script that gave it, which tells nobody anything. */
export function plainAnswer(message: string): string {
  return message.replace(/ script: [0-9a-f]{40}, on [^ ]+:\d+\.?$/, "");
}

/**
 * What Redis refused, for people: which command, on which keys, and what to do about it. Most of these are a db that
 * another program uses too, or a user without the rights. What rights there must be is said here, and nowhere else.
 */
import { plainAnswer } from "../scripts/lua.ts";

/** How many keys are named. */
const MOST_KEYS = 4;
/** The keys of the wire contract, and our own; scripts are also given prefixes of keys, which end with a colon. */
const OUR_KEY = /^(te\.\d+\..+|TASKEXE|clean_task_executor|taskexe:.*[^:]|.+-cancel)$/;
/** What is asked of the heartbeats, whose key is the name of an executor. */
const HEARTBEAT_COMMANDS = /^(zadd|zremrangebyscore|zrevrange|persist|expire|del)$/i;
/** How the names of executors begin, but for those that were given one. */
const EXECUTOR_PREFIX = "task_executor_";

/**
 * What a user of Redis needs for all that an executor and the commands do, as ACL SETUSER takes it: keys, the channel
 * of the cancels, and every command that endangers nobody, besides two that do: INFO, with which a connection learns
 * that the server has loaded its data, and CLIENT UNBLOCK, which ends a read that waits when an executor leaves.
 */
export const RIGHTS: readonly string[] = [
  ...["~te.*", "~TASKEXE", "~clean_task_executor", "~taskexe:*", "~*-cancel", `~${EXECUTOR_PREFIX}*`],
  ...["&taskexe:cancel", "+@all", "-@dangerous", "+info", "+client|unblock"],
];

type Advice = (keys: readonly string[]) => string;

const ADVICE: readonly (readonly [code: RegExp, advice: Advice])[] = [
  [
    /^WRONGTYPE\b/,
    (keys) =>
      `another program seems to use this db too: see what is there (redis-cli TYPE ${keys[0] ?? "KEY"}), ` +
      "then rename or delete it, or take another db",
  ],
  [/^NOAUTH\b|^WRONGPASS\b/, () => "give the user and the password in the address: redis://USER:PASSWORD@HOST:PORT/DB"],
  [/^READONLY\b/, () => "this server is a replica; it is asked again until the address leads to the master"],
  [/^NOREPLICAS\b/, () => "too few replicas are in touch (min-replicas-to-write); it goes on once they are"],
  [/^OOM\b/, () => "Redis has reached its maxmemory: give it more, or remove what needs it (taskexe purge)"],
  [/^MISCONF\b/, () => "Redis cannot write to its disk, its own log says why; it goes on once it can"],
  [/^LOADING\b/, () => "it goes on once Redis has loaded its data"],
  [/^BUSY\b/, () => "a script of another program holds Redis; redis-cli SCRIPT KILL ends one that has written nothing"],
  [/^NOGROUP\b/, () => "somebody deleted the stream or its group; it was made again"],
  // Within a script Redis says it in other words.
  [/^NOPERM\b|^ERR The user executing the script can't\b/, adviceOnRights],
  [
    /^EXECABORT\b/,
    () => "a command of the transaction was refused before; redis-cli ACL LOG, or the server's own log, tells which",
  ],
];

/** Lines about an answer of Redis that is an error; null for any other error. */
export function redisRefusal(error: Error): string[] | null {
  if (error.name !== "ReplyError" || !("command" in error)) return null;
  const cause = causeOfAbort(error);
  if (cause !== null) return redisRefusal(cause);
  const { name, keys } = commandOf(error.command);
  const on = keys.length === 0 ? "" : ` on ${keys.join(", ")}`;
  const advice = adviceOn(error.message, keys);
  return [`Redis refused ${name}${on}: ${plainAnswer(error.message)}`, ...(advice === null ? [] : [`  ${advice}`])];
}

/**
 * What to do about an answer of Redis, by its words alone or with the keys it is about; null where nothing is known.
 */
export function adviceOn(answer: string, keys: readonly string[] = []): string | null {
  // Our own scripts say which key it is; a command is told with all that it was given.
  const named = /^WRONGTYPE the key "(.*)" holds a /s.exec(answer)?.[1];
  return ADVICE.find(([code]) => code.test(answer))?.[1](named === undefined ? keys : [named]) ?? null;
}

/** What Redis answered, and what to do about it where that is known. */
export function withAdvice(answer: string, keys: readonly string[] = []): string {
  const advice = adviceOn(answer, keys);
  const plain = plainAnswer(answer);
  return advice === null ? plain : `${plain.replace(/\.$/, "")}; ${advice}`;
}

/** The same for an error, with the command and its keys where they are known. */
export function refusalText(error: Error): string {
  const lines = redisRefusal(error);
  return lines === null
    ? withAdvice(error.message)
    : lines
        .map((line) => line.trim())
        .join("; ")
        .replace(/\.; /g, "; ");
}

function adviceOnRights(keys: readonly string[]): string {
  const ownNames = keys.filter((key) => !OUR_KEY.test(key) && !key.startsWith(EXECUTOR_PREFIX));
  const rights = [...RIGHTS, ...ownNames.map((name) => `~${name}`)].join(" ");
  const names = ownNames.length > 0 ? "" : " (and ~NAME for each executor with a --name of its own)";
  return `give this user of Redis its rights, in redis-cli: ACL SETUSER USER ${rights}${names}`;
}

/** A transaction is refused as a whole, for the first command in it that was. */
function causeOfAbort(error: Error): Error | null {
  const before = "previousErrors" in error && Array.isArray(error.previousErrors) ? error.previousErrors : [];
  const [cause] = before.filter((each) => each instanceof Error);
  return cause !== undefined && cause !== error ? cause : null;
}

function commandOf(command: unknown): { name: string; keys: readonly string[] } {
  if (typeof command !== "object" || command === null) return { name: "a command", keys: [] };
  const name = "name" in command ? String(command.name) : "a command";
  const args = "args" in command && Array.isArray(command.args) ? command.args.map(String) : [];
  // Beyond the first few there are messages of tasks, not keys.
  const ours = args.slice(0, 200).filter((arg) => OUR_KEY.test(arg));
  const isScript = /^eval(sha)?$/i.test(name);
  const first = isScript ? args.slice(2, 2 + Number(args[1])) : HEARTBEAT_COMMANDS.test(name) ? args.slice(0, 1) : [];
  const keys = [...new Set([...first, ...ours])].slice(0, MOST_KEYS);
  return { name: isScript ? "a script" : name.toUpperCase(), keys };
}

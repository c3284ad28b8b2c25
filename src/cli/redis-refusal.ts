/**
 * What Redis refused, for people: which command, on which keys, and what to do about it. Most of these are a db that
 * another program uses too, or a user without the rights.
 */

/** How many keys are named. */
const MOST_KEYS = 4;
/** The keys of the wire contract, and our own; scripts are also given prefixes of keys, which end with a colon. */
const OUR_KEY = /^(te\.\d+\..+|TASKEXE|clean_task_executor|taskexe:.*[^:])$/;

const ADVICE: readonly (readonly [code: RegExp, advice: (keys: readonly string[]) => string])[] = [
  [
    /^WRONGTYPE\b/,
    (keys) =>
      `another program seems to use this db too: see what is there (redis-cli TYPE ${keys[0] ?? "KEY"}), then rename or delete it, or take another db`,
  ],
  [/^NOAUTH\b|^WRONGPASS\b/, () => "give the user and the password in the address: redis://USER:PASSWORD@HOST:PORT/DB"],
  [
    /^NOPERM\b/,
    () => "give this user of Redis the rights for the keys te.*, TASKEXE, clean_task_executor and taskexe:*",
  ],
];

/** Lines about an answer of Redis that is an error; null for any other error. */
export function redisRefusal(error: Error): string[] | null {
  if (error.name !== "ReplyError" || !("command" in error)) return null;
  const { name, keys } = commandOf(error.command);
  const on = keys.length === 0 ? "" : ` on ${keys.join(", ")}`;
  const advice = ADVICE.find(([code]) => code.test(error.message))?.[1](keys);
  return [`Redis refused ${name}${on}: ${error.message}`, ...(advice === undefined ? [] : [`  ${advice}`])];
}

function commandOf(command: unknown): { name: string; keys: readonly string[] } {
  if (typeof command !== "object" || command === null) return { name: "a command", keys: [] };
  const name = "name" in command ? String(command.name) : "a command";
  const args = "args" in command && Array.isArray(command.args) ? command.args.map(String) : [];
  // Beyond the first few there are messages of tasks, not keys.
  const keys = [...new Set(args.slice(0, 200).filter((arg) => OUR_KEY.test(arg)))];
  return { name: /^evalsha$/i.test(name) ? "a script" : name.toUpperCase(), keys: keys.slice(0, MOST_KEYS) };
}

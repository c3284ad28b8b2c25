/** Tasks that keep nothing: entries and no more, all of them or none. */
import { script } from "./lua.ts";

/** KEYS none; ARGV number of streams, those, then of each task the number of its stream, from 1, and its message. */
export const APPEND = script(
  `
local count = tonumber(ARGV[1])
for n = 2, count + 1 do expect('stream', ARGV[n]) end
for i = count + 2, #ARGV, 2 do call('XADD', ARGV[tonumber(ARGV[i]) + 1], '*', 'message', ARGV[i + 1]) end
return 1`,
  0,
);

/** Its arguments. */
export function appendArguments(
  tasks: readonly { readonly stream: string; readonly message: string }[],
): (string | number)[] {
  const streams = [...new Set(tasks.map(({ stream }) => stream))];
  const numbers = new Map(streams.map((stream, index) => [stream, index + 1]));
  return [streams.length, ...streams, ...tasks.flatMap(({ stream, message }) => [numbers.get(stream) ?? 1, message])];
}

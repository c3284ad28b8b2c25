/** The logs of tasks: a list each, bounded, with a time to live as a safety net should its record go another way. */
import * as v from "valibot";
import { type LogLine, MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from "../administration.ts";
import { execute, type RedisConnections } from "./connections.ts";
import { logKey } from "./keys.ts";

/** A little longer than any record is kept by default, in s: 31 days. */
const LOG_TTL_S = 31 * 24 * 3600;

const LineSchema = v.object({
  at: v.number(),
  level: v.picklist(["debug", "info", "warn", "error"]),
  text: v.string(),
});

export async function appendLogs(
  connections: RedisConnections,
  logs: readonly { readonly id: string; readonly lines: readonly LogLine[] }[],
): Promise<void> {
  if (logs.length === 0) return;
  await connections.run(async (redis) => {
    const pipeline = redis.pipeline();
    for (const { id, lines } of logs) {
      const texts = lines.slice(-MAX_LOG_LINES).map(({ at, level, text }) => {
        return JSON.stringify({ at, level, text: text.slice(0, MAX_LOG_LINE_LENGTH) });
      });
      if (texts.length === 0) continue;
      pipeline.rpush(logKey(id), ...texts);
      pipeline.ltrim(logKey(id), -MAX_LOG_LINES, -1);
      pipeline.expire(logKey(id), LOG_TTL_S);
    }
    const failed = (await execute(pipeline)).find(([error]) => error !== null);
    if (failed?.[0]) throw failed[0];
  });
}

export async function readLogs(connections: RedisConnections, id: string): Promise<LogLine[]> {
  const texts = await connections.run((redis) => redis.lrange(logKey(id), 0, -1));
  return texts.flatMap((text) => {
    const checked = v.safeParse(LineSchema, JSON.parse(text));
    return checked.success ? [checked.output] : [];
  });
}

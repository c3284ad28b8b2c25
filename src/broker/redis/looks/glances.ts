/** How tasks stand, for whoever watches them: one small question each, all in one round trip. */
import * as v from "valibot";
import type { TaskGlance } from "../../contract/admin.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { logKey, recordKey } from "../keys.ts";
import { GLANCE } from "../scripts/logs.ts";
import { runScript } from "../scripts/lua.ts";

const ReplySchema = v.tuple([v.string(), v.string(), v.string(), v.string(), v.number()]);

/** As Administration.glance. */
export function glance(
  connections: RedisConnections,
  asked: readonly { readonly id: string; readonly seen: string | null }[],
): Promise<(TaskGlance | "same" | null)[]> {
  return connections.run((redis) =>
    Promise.all(
      asked.map(async ({ id, seen }) => {
        const reply = await runScript(redis, GLANCE, recordKey(id), logKey(id), seen ?? "");
        if (reply === null) return null;
        if (reply === 0) return "same";
        const [now, record, progress, progressMsg, lastLine] = v.parse(ReplySchema, reply);
        return { seen: now, record, progress: Number(progress), progressMsg, lastLine };
      }),
    ),
  );
}

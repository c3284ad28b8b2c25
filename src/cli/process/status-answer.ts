/** The part of `GET /status` that the command line shows. An executor of another version may say more or less. */
import * as v from "valibot";
import { objectOf } from "../../task/message/json-object.ts";

const Count = v.optional(v.number(), 0);

export const ExecutorAnswerSchema = v.object({
  name: v.string(),
  pid: v.number(),
  version: v.string(),
  state: v.string(),
  uptime_s: Count,
  concurrency: Count,
  slots_taken: v.optional(v.number()),
  current: v.optional(
    objectOf(
      v.object({
        type: v.optional(v.string(), ""),
        attempt: Count,
        progress: Count,
        message: v.optional(v.string(), ""),
        started_at: v.optional(v.string(), ""),
      }),
    ),
    {},
  ),
  done: Count,
  failed: Count,
  dead: Count,
  cancelled: Count,
  retried: Count,
  lost: Count,
  left: Count,
  abandoned: Count,
  stops: v.optional(v.object({ heeded: Count, killed: Count, abandoned: Count })),
  memory: v.optional(v.object({ rss_bytes: Count, max_rss_bytes: Count })),
  runners: v.optional(
    v.object({
      processes: v.array(
        v.object({
          ...{ pid: v.number(), kind: v.string(), isolation: v.string(), state: v.string(), generation: Count },
          ...{ tasks: Count, done: Count, rss_bytes: Count, busy_since: v.optional(v.nullable(v.string()), null) },
        }),
      ),
      waiting: Count,
      problems: v.optional(v.array(v.string()), []),
      generation: Count,
      loaded_at: v.optional(v.nullable(v.string()), null),
      reload: v.optional(
        v.nullable(v.object({ state: v.string(), since: v.string(), reason: v.optional(v.string(), "") })),
        null,
      ),
      awaited: v.optional(v.array(v.string()), []),
    }),
  ),
  broker: v.object({
    kind: v.string(),
    url: v.string(),
    state: v.optional(v.string(), "away"),
    connected: v.boolean(),
    last_error: v.optional(v.nullable(v.string()), null),
    warnings: v.optional(v.array(v.string()), []),
  }),
  counted_at: v.optional(v.nullable(v.string()), null),
  queues_left_out: v.optional(Count, 0),
  vanished: v.optional(v.object({ count: Count, ids: v.optional(v.array(v.string()), []) }), { count: 0 }),
  queues: v.optional(
    v.array(
      v.object({
        ...{ name: v.string(), queued: Count, running: Count, scheduled: Count, dead: Count },
        executors: v.optional(v.nullable(Count), null),
      }),
    ),
    [],
  ),
});

export type ExecutorAnswer = v.InferOutput<typeof ExecutorAnswerSchema>;

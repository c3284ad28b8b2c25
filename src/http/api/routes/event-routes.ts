/** The events of this executor over HTTP: what changes, as it changes, for pages and programs that would else poll. */
import * as v from "valibot";
import { MessageSchema } from "../../../task/message/message-schema.ts";
import { ApiError } from "../api-error.ts";
import { TASK_TOPIC, TOPICS, topicFor } from "../events/topics.ts";
import type { RouteParts } from "../parts.ts";
import { type Route, route } from "../route.ts";
import { WatchPlaces } from "../watch/watch-places.ts";

/** How many listen, in all and of one client of the network; how many topics one has; how many tasks are followed. */
const MOST_LISTENERS = 200;
const MOST_FOR_ONE = 50;
const MOST_TOPICS = 16;
const MOST_TASKS = 500;

const HEADERS = { "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" };

const Topic = v.pipe(
  v.string(),
  v.check(
    (topic) => isTopic(topic),
    ({ input }) => `expected ${TOPICS.join(", ")} or ${TASK_TOPIC}ID, got ${JSON.stringify(input.slice(0, 100))}`,
  ),
);

const EventsQuery = v.strictObject({
  topics: v.pipe(
    v.string(),
    v.transform((text) => text.split(",")),
    v.maxLength(MOST_TOPICS, `must be at most ${MOST_TOPICS} topics`),
    v.array(Topic),
  ),
  last_event_id: v.optional(v.pipe(v.string(), v.maxLength(100, "must be at most 100 characters"))),
});

/** Without a hub there are none. */
export function eventRoutes({ events }: RouteParts): Route[] {
  if (events === undefined) return [];
  const places = new WatchPlaces(MOST_LISTENERS, MOST_FOR_ONE);
  return [
    route({
      operationId: "listenToEvents",
      method: "GET",
      path: "/events",
      summary:
        `Server-sent events of ${TOPICS.join(", ")} and ${TASK_TOPIC}ID: all of a topic first, then what changes, at ` +
        "most 4 a second of each. Last-Event-ID (or last_event_id) goes on where a stream was cut off, for 30 s",
      query: EventsQuery,
      problems: [429],
      answers: {
        200: {
          description:
            'the name of an event is its topic, its data {"at", "all"} or {"at", "set", "gone"}; ' +
            "dropped: it was read too slowly",
          type: "text/event-stream",
        },
      },
      handle({ context, caller, query }) {
        const topics = new Set(query.topics.map((topic) => topicFor(topic, caller.queues)));
        const tasks = query.topics.filter((topic) => topic.startsWith(TASK_TOPIC)).length;
        if (events.tasks + tasks > MOST_TASKS) throw tooMany(`${MOST_TASKS} tasks are followed`);
        const leave = places.take(context.env?.peer ?? "");
        if (typeof leave !== "function")
          throw tooMany(`${leave.count} listen already${leave.isOfOne ? " from there" : ""}`);
        const last = query.last_event_id ?? context.req.header("last-event-id") ?? null;
        const listener = events.listen(topics, last, leave);
        // HEAD is answered as GET, but nobody would read the body to its end.
        if (context.req.method === "HEAD") {
          listener.close("end", "HEAD");
          return context.body(null, 200, HEADERS);
        }
        return context.body(listener.stream, 200, HEADERS);
      },
    }),
  ];
}

function isTopic(topic: string): boolean {
  if (TOPICS.some((known) => known === topic)) return true;
  return topic.startsWith(TASK_TOPIC) && v.is(MessageSchema.entries.id, topic.slice(TASK_TOPIC.length));
}

function tooMany(what: string): ApiError {
  return new ApiError(429, "too_many_watches", `${what}, which is the most there can be`, { "Retry-After": "5" });
}

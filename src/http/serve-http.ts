/**
 * The HTTP server as a child of a nursery: it listens, says where, and serves until its scope is cancelled; then the
 * port is free again. What it answers is app.ts.
 */
import { type Task, withNursery } from "../concurrency/index.ts";
import type { StatusSource } from "../executor/status/status.ts";
import { runtime } from "../runtime/index.ts";
import { EventHub } from "./api/events/event-hub.ts";
import { TopicReader } from "./api/events/topics.ts";
import type { ApiParts } from "./api/parts.ts";
import { createApp } from "./app.ts";
import type { PageMode } from "./page/page.ts";

export interface HttpAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface ServeHttpOptions extends HttpAddress {
  readonly source: StatusSource;
  /** As `AppOptions.openStatus`. */
  readonly openStatus?: boolean;
  /** What the API stands on; without it there is none. */
  readonly api?: Omit<ApiParts, "signal">;
  /** The page for people; default: off. */
  readonly page?: PageMode;
}

/**
 * To be run by `nursery.start(caller, (task, started) => serveHttp(task, started, options))`: `started` is told the
 * address that is bound (port 0 takes a free one). Ends only by a cancel of the task's scope, or by an error when it
 * cannot listen, which comes before `started` and names the address and what to do.
 */
export async function serveHttp(
  task: Task,
  started: (address: HttpAddress) => void,
  { hostname, port, source, api, openStatus = true, page = "off" }: ServeHttpOptions,
): Promise<void> {
  const enqueued = (queue: string, count: number): void => source.metrics.counts.tasks.enqueued(queue, "http", count);
  const { history } = source.metrics;
  const events = new EventHub(new TopicReader(source, api?.broker ?? null));
  let app: ReturnType<typeof createApp> | null = null;
  const server = await runtime.serve({
    hostname,
    port,
    // Who comes before the address that was bound is known could not be judged by it.
    fetch: (request, { address: peer, isOld }) =>
      app?.fetch(request, { peer, isOld }) ?? new Response("starting\n", { status: 503 }),
  });
  try {
    app = createApp(source, {
      listener: server,
      openStatus,
      page,
      ...(api && { api: partsOf(api, { enqueued, events, history, signal: task.signal }) }),
    });
    started({ hostname: server.hostname, port: server.port });
    await withNursery(task.scope, async (nursery) => {
      nursery.startSoon(({ signal }) => source.metrics.keepHistory(signal), { name: "history" });
      const audit = api?.audit;
      if (audit !== undefined) nursery.startSoon(({ signal }) => audit.run(signal), { name: "audit" });
      await events.run(nursery.scope.signal);
    });
  } finally {
    await server.close();
  }
}

/** What may change while it is served is asked for each time. */
function partsOf(
  api: Omit<ApiParts, "signal">,
  more: Pick<ApiParts, "enqueued" | "events" | "history" | "signal">,
): ApiParts {
  return {
    ...api,
    get retentionMs() {
      return api.retentionMs;
    },
    ...more,
  };
}

/**
 * The API: everything that people and programs may ask of the tasks, over HTTP. This file puts the guard, the limits
 * and the routes together; each group of routes is a file in routes/.
 */
import { Hono, type MiddlewareHandler } from "hono";
import type { Broker } from "../../broker/broker.ts";
import { AuditLog } from "../../operations/audit/audit-log.ts";
import { type AskedBroker, LimitedBroker } from "../../operations/limits/limited-broker.ts";
import { VERSION } from "../../version.ts";
import type { Listener } from "../host-check.ts";
import { ApiError, answerError } from "./api-error.ts";
import { openApiOf } from "./description/openapi.ts";
import { Access, type PeerBindings } from "./guard/access.ts";
import { audited } from "./guard/audited.ts";
import { apiGuard, checkToken, routeGuard } from "./guard/guard.ts";
import type { Caller } from "./guard/roles.ts";
import type { ApiParts, RouteParts } from "./parts.ts";
import { type Route, route } from "./route.ts";
import { alertRoutes } from "./routes/alert-routes.ts";
import { auditRoutes } from "./routes/audit-routes.ts";
import { bulkRoutes } from "./routes/bulk-routes.ts";
import { changeRoutes } from "./routes/change-routes.ts";
import { enqueueRoutes } from "./routes/enqueue-routes.ts";
import { eventRoutes } from "./routes/event-routes.ts";
import { executorRoutes } from "./routes/executor-routes.ts";
import { historyRoutes } from "./routes/history-routes.ts";
import { queueRoutes } from "./routes/queue-routes.ts";
import { scheduleRoutes } from "./routes/schedule-routes.ts";
import { taskRoutes } from "./routes/task-routes.ts";
import { typeRoutes } from "./routes/type-routes.ts";

/** Where the API stands. */
export const API_ROOT = "/api/v1";

/**
 * The API as an application of its own, to be mounted at `API_ROOT`.
 *
 * @param listener - what is listened on.
 * @param access - who may ask; shared with whatever else asks that.
 */
export function createApi(
  parts: ApiParts,
  listener: Listener,
  access = new Access(parts, listener),
): Hono<{ Bindings: PeerBindings }> {
  const api = new Hono<{ Bindings: PeerBindings }>();
  api.onError(answerError);
  api.use("*", apiGuard(access));
  api.use("*", refuseWhileStarting(parts));
  const seenBy = brokersFor(parts.broker);
  const { audit = new AuditLog(parts.broker) } = parts;
  for (const { operationId, method, path, run } of apiRoutes(parts)) {
    if (method !== "GET") api.on(method, path, audited(operationId, access, audit));
    api.on(method, path, routeGuard(access, operationId), (context) => {
      const caller = checkToken(context, access);
      return run(context, { caller, broker: seenBy(caller) });
    });
  }
  return api;
}

/** What a type says of its tasks is not known before its handler is loaded: a task would be enqueued without it. */
function refuseWhileStarting({ isStarting = () => false }: ApiParts): MiddlewareHandler {
  return async (_context, next) => {
    if (isStarting()) {
      const message = "this executor is starting, and its handlers are not loaded yet: ask again";
      throw new ApiError(503, "starting", message, { "Retry-After": "1" });
    }
    await next();
  };
}

/** The broker as each caller sees it: one for each, as long as it is known. */
function brokersFor(broker: Broker): (caller: Caller) => AskedBroker {
  const limited = new WeakMap<Caller, AskedBroker>();
  return (caller) => {
    if (caller.queues === null) return broker;
    const seen = limited.get(caller) ?? new LimitedBroker(broker, caller.queues);
    limited.set(caller, seen);
    return seen;
  };
}

/** All routes, the description of them included. */
export function apiRoutes(parts: RouteParts): Route[] {
  const routes: Route[] = [
    ...enqueueRoutes(parts),
    ...taskRoutes(parts),
    ...changeRoutes(parts),
    ...bulkRoutes(),
    ...queueRoutes(),
    ...executorRoutes(parts),
    ...typeRoutes(parts),
    ...historyRoutes(parts),
    ...scheduleRoutes(parts),
    ...eventRoutes(parts),
    ...alertRoutes(parts),
    ...auditRoutes(),
    route({
      operationId: "getDescription",
      method: "GET",
      path: "/openapi.json",
      summary: "This description",
      answers: { 200: { description: "OpenAPI 3.1" } },
      handle: ({ context }) => context.json(document),
    }),
  ];
  const document = openApiOf(routes, { root: API_ROOT, version: VERSION });
  return routes;
}

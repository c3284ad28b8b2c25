/**
 * Counts every request with its time, by the template of its route, so that there are few series however many ids are
 * asked for. What no route has is `none`, and so is a method that nobody knows. A stream counts until it begins.
 */
import type { MiddlewareHandler } from "hono";
import type { ExecutorMetrics } from "../metrics/executor-metrics.ts";
import type { PeerBindings } from "./api/guard/access.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** To be the first one, so that what others refuse is counted, too. */
export function countRequests(metrics: ExecutorMetrics): MiddlewareHandler<{ Bindings: PeerBindings }> {
  return async (context, next) => {
    if (context.env?.isInner) return next();
    const begunAt = performance.now();
    await next();
    // The last one that ran: where none has found it, that is a middleware, whose path is no template.
    const { routePath, method } = context.req;
    const route = routePath.includes("*") ? "none" : routePath;
    const code = `${Math.floor(context.res.status / 100)}xx`;
    const seconds = (performance.now() - begunAt) / 1_000;
    metrics.answered(route, METHODS.includes(method) ? method : "none", code, seconds);
  };
}

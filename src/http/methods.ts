/**
 * What may be asked of each path: OPTIONS is told it, a method that a path does not take is refused with it, and HEAD
 * is told what GET would say, with its length. Who may not ask at all is refused before.
 */
import type { Context, Hono, MiddlewareHandler } from "hono";
import { TrieRouter } from "hono/router/trie-router";
import type { PeerBindings } from "./api/guard/access.ts";

/**
 * Answers OPTIONS and wrong methods; what no route has goes on, to be "not found".
 *
 * @param app - complete by the first request.
 * @param refuse - the answer to a wrong method; Allow is added.
 */
export function allowedMethods(
  app: Hono<{ Bindings: PeerBindings }>,
  refuse: (context: Context, allowed: string) => Response,
): MiddlewareHandler {
  let router: TrieRouter<readonly string[]> | null = null;
  return async (context, next) => {
    router ??= routerOf(app.routes);
    await next();
    if (context.res.status !== 404) return;
    const methods = new Set(router.match("ALL", context.req.path)[0].flatMap(([found]) => found));
    const { method } = context.req;
    // Then it was the route that found nothing, or there is none.
    if (methods.size === 0 || methods.has(method)) return;
    const allowed = [...methods, "OPTIONS"].join(", ");
    const answer = method === "OPTIONS" ? new Response(null, { status: 204 }) : refuse(context, allowed);
    answer.headers.set("Allow", allowed);
    // Headers that were set meanwhile are for the answer that is replaced.
    context.res = undefined;
    context.res = answer;
  };
}

function routerOf(routes: Hono["routes"]): TrieRouter<readonly string[]> {
  const router = new TrieRouter<readonly string[]>();
  // A middleware stands for all methods, and for no path.
  for (const { method, path } of routes.filter((route) => route.method !== "ALL")) {
    router.add("ALL", path, method === "GET" ? ["GET", "HEAD"] : [method]);
  }
  return router;
}

/**
 * Gives each answer its length, so that none but a stream of events comes in chunks, and HEAD the same headers without
 * the body.
 */
export const withLength: MiddlewareHandler = async (context, next) => {
  await next();
  const { body, status, headers } = context.res;
  if (body === null || headers.get("content-type")?.startsWith("text/event-stream")) return;
  const bytes = await context.res.arrayBuffer();
  const sized = new Headers(headers);
  sized.set("Content-Length", String(bytes.byteLength));
  context.res = new Response(context.req.method === "HEAD" ? null : bytes, { status, headers: sized });
};

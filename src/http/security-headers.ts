/**
 * The headers that every answer carries: nothing is cached (all of it is the state of this moment), types are not
 * guessed, no page of another origin may frame or embed it. CORS headers are never sent, so none may read it either.
 * The page (page/) names a policy of its own, and lets its assets be kept.
 */
import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";

const secure = secureHeaders({
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  xFrameOptions: "DENY",
  // Only who ends TLS may promise it, and that is the proxy in front.
  strictTransportSecurity: false,
});

/** Sets them on every answer, those of failed requests too. */
export const securityHeaders: MiddlewareHandler = async (context, next) => {
  let own: readonly (readonly [string, string | null])[] = [];
  await secure(context, async () => {
    await next();
    own = ["Content-Security-Policy", "Cache-Control"].map((name) => [name, context.res.headers.get(name)]);
  });
  context.res.headers.set("Cache-Control", "no-store");
  for (const [name, value] of own) if (value !== null) context.res.headers.set(name, value);
};

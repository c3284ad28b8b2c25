/**
 * The headers that every answer carries: nothing is cached (all of it is the state of this moment), types are not
 * guessed, no page of another origin may frame or embed it. CORS headers are never sent, so none may read it either.
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
  await secure(context, next);
  context.res.headers.set("Cache-Control", "no-store");
};

/**
 * Who may call the API.
 * - Where tokens are configured every call needs one, or the session of a browser that has shown it, and its role must
 *   be enough for the route (roles.ts).
 * - Without one, calls that change something are served to this machine alone: the listener, the peer, and no proxy.
 * - No page of another site can make a browser read or change anything: its origin is refused, and bodies of forms are.
 * The Host header was checked before (sound-request.ts, host-check.ts).
 */
import type { Context, MiddlewareHandler } from "hono";
import { ApiError } from "../api-error.ts";
import { type Access, hostOf, type PeerBindings } from "./access.ts";
import { type Caller, refusalOf } from "./roles.ts";

type Guard = MiddlewareHandler<{ Bindings: PeerBindings }>;

/** Before every path, also where there is nothing. */
export function apiGuard(access: Access): Guard {
  return async (context, next) => {
    checkToken(context, access);
    checkOrigin(context);
    await next();
  };
}

/** Before a route. */
export function routeGuard(access: Access, operationId: string): Guard {
  return async (context, next) => {
    const caller = checkToken(context, access);
    const refusal = refusalOf(caller, operationId);
    if (refusal !== null) {
      const found = access.isGuarded ? null : access.foreignness(context);
      if (found !== null) {
        const instead = "set TASKEXE_TOKEN or TASKEXE_TOKEN_FILE to allow it from elsewhere";
        throw new ApiError(403, "token_needed", `${found}: ${instead}`);
      }
      throw new ApiError(403, "forbidden", `the token ${JSON.stringify(caller.name)} may not: ${refusal}`);
    }
    if (!["GET", "HEAD"].includes(context.req.method)) checkJson(context);
    await next();
  };
}

/** Who asks. @throws ApiError where a token is needed and it is none. */
export function checkToken(context: Context<{ Bindings: PeerBindings }>, access: Access): Caller {
  const caller = access.caller(context);
  if (caller !== null) return caller;
  const shown = access.shown(context);
  if (shown.kind === "slowed") throw slowed(shown.retryMs);
  const [problem, challenge] =
    shown.kind === "nothing"
      ? ["this API needs a token: send Authorization: Bearer TOKEN", 'Bearer realm="taskexe"']
      : ["the token is not the right one", 'Bearer realm="taskexe", error="invalid_token"'];
  throw new ApiError(401, "unauthorized", problem, { "WWW-Authenticate": challenge });
}

/** The answer to whoever tries tokens. */
export function slowed(retryMs: number): ApiError {
  const seconds = String(Math.ceil(retryMs / 1_000));
  const message = `too many wrong tokens came from there: try again in ${seconds} s`;
  return new ApiError(429, "too_many_wrong_tokens", message, { "Retry-After": seconds });
}

/** Refuses what a page of another site asks. @throws ApiError. */
export function checkOrigin(context: Context): void {
  const site = context.req.header("sec-fetch-site");
  const origin = context.req.header("origin");
  const host = hostOf(context);
  const foreign = site !== undefined && site !== "same-origin" && site !== "none";
  if (!foreign && (origin === undefined || isOrigin(origin, host))) return;
  throw new ApiError(403, "cross_site", "a page of another site may neither read nor change anything here");
}

function isOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === new URL(`http://${host}`).host;
}

// A form of another site can post without asking first, but not with this type. PUT and DELETE it cannot send.
function checkJson(context: Context): void {
  if (context.req.method !== "POST" && context.req.method !== "PUT") return;
  const type = context.req.header("content-type") ?? "";
  if (/^application\/json\s*(;|$)/i.test(type)) return;
  const got = type === "" ? "none" : JSON.stringify(type.slice(0, 100));
  throw new ApiError(415, "not_json", `expected the header Content-Type: application/json, got ${got}`);
}

/**
 * Who may call the API.
 * - With a token every call needs it, or the session of a browser that has shown it.
 * - Without one, calls that change something are served to this machine alone: the listener, the peer, and no proxy.
 * - No page of another site can make a browser read or change anything: its origin is refused, and bodies of forms are.
 * The Host header was checked before (sound-request.ts, host-check.ts).
 */
import type { Context, MiddlewareHandler } from "hono";
import type { Listener } from "../../host-check.ts";
import { isLocal } from "../../ip-loopback.ts";
import { ApiError } from "../api-error.ts";
import { cameThrough } from "./proxy-headers.ts";
import { Sessions } from "./session.ts";
import { tokenComparison } from "./token.ts";

/** What the server tells of a connection. */
export interface PeerBindings {
  /** The client's IP address; absent or empty where it is not known, which counts as another machine. */
  readonly peer?: string;
  /** It speaks HTTP/1.0, as a proxy does that nobody told otherwise (nginx); a program of today does not. */
  readonly isOld?: boolean;
  /** The page of this executor asks, for whoever looks at it: that request is counted already. */
  readonly isInner?: boolean;
}

export interface GuardOptions {
  readonly token: string | null;
  readonly listener: Listener;
}

/** Before every path, also where there is nothing. */
export function apiGuard({ token }: Pick<GuardOptions, "token">): MiddlewareHandler<{ Bindings: PeerBindings }> {
  const allows = allowedBy(token);
  return async (context, next) => {
    if (allows !== null) checkToken(context, allows);
    checkOrigin(context);
    await next();
  };
}

/** Before every route that changes something. */
export function changeGuard({ token, listener }: GuardOptions): MiddlewareHandler<{ Bindings: PeerBindings }> {
  return async (context, next) => {
    if (!["GET", "HEAD"].includes(context.req.method)) {
      if (token === null) checkThisMachine(context, listener);
      checkJson(context);
    }
    await next();
  };
}

/** A question about a request. */
type Asks = (context: Context<{ Bindings: PeerBindings }>) => boolean;

/** Tells who may see what tasks say in /status: this machine, and whoever has the token. */
export function seesTexts({ token, listener }: GuardOptions): Asks {
  const allows = allowedBy(token);
  return (context) => foreignness(context, listener) === null || allows?.(context) === true;
}

/** Tells who may read, and who may also change something. */
export function rights({ token, listener }: GuardOptions): { readonly reads: Asks; readonly changes: Asks } {
  const allows = allowedBy(token);
  if (allows !== null) return { reads: allows, changes: allows };
  return { reads: () => true, changes: (context) => foreignness(context, listener) === null };
}

/** Who has the token, in the header or by a session; null where there is none. */
function allowedBy(token: string | null): Asks | null {
  if (token === null) return null;
  const isToken = tokenComparison(token);
  const sessions = new Sessions(token);
  return (context) => {
    const given = /^Bearer +(\S+) *$/i.exec(context.req.header("authorization") ?? "")?.[1];
    if (given !== undefined) return isToken(given);
    return sessions.allows(hostOf(context), context.req.header("cookie") ?? "");
  };
}

function checkToken(context: Context, allows: Asks): void {
  if (allows(context)) return;
  const header = context.req.header("authorization");
  const [problem, challenge] =
    header === undefined
      ? ["this API needs a token: send Authorization: Bearer TOKEN", 'Bearer realm="taskexe"']
      : ["the token is not the right one", 'Bearer realm="taskexe", error="invalid_token"'];
  throw new ApiError(401, "unauthorized", problem, { "WWW-Authenticate": challenge });
}

function checkThisMachine(context: Context<{ Bindings: PeerBindings }>, listener: Listener): void {
  const found = foreignness(context, listener);
  if (found === null) return;
  const instead = "set TASKEXE_TOKEN or TASKEXE_TOKEN_FILE to allow it from elsewhere";
  throw new ApiError(403, "token_needed", `${found}: ${instead}`);
}

/** Why a request may be another machine's; null where it is this one's. */
function foreignness(context: Context<{ Bindings: PeerBindings }>, { hostname, address }: Listener): string | null {
  if (!isLocal(address)) return `without a token nothing can be changed while HTTP listens on ${hostname}`;
  if (!isLocal(context.env?.peer ?? "")) return "without a token only this machine may change anything";
  // A proxy on this machine makes everybody a neighbour.
  const header = cameThrough(context.req.header());
  if (header !== null) return `the request came through a proxy (${header}), so it may be from anywhere`;
  if (context.env?.isOld) return "the request is of HTTP/1.0, as a proxy sends it, so it may be from anywhere";
  return null;
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

/** The host that was asked, with its port. */
export function hostOf({ req }: Context): string {
  return req.header("host") || new URL(req.url).host;
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

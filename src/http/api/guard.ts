/**
 * Who may call the API.
 * - With a token every call needs it.
 * - Without one, calls that change something are served to this machine alone: the listener, the peer, and no proxy.
 * - No page of another site can make a browser change anything: its origin is refused, and so are bodies of forms.
 * The Host header was checked before (host-check.ts).
 */
import type { Context, MiddlewareHandler } from "hono";
import { isLoopback } from "../host-check.ts";
import { ApiError } from "./api-error.ts";
import { tokenComparison } from "./token.ts";

/** What the server tells of a connection. */
export interface PeerBindings {
  /** The client's IP address; absent or empty where it is not known, which counts as another machine. */
  readonly peer?: string;
}

export interface GuardOptions {
  readonly token: string | null;
  /** The hostname that is listened on. */
  readonly hostname: string;
}

/** What proxies add to a request; programs of this machine have no reason to. */
const PROXY_HEADER = /^(forwarded|via|x-real-ip|x-forwarded-.+)$/i;

/** Before every path, also where there is nothing. */
export function tokenGuard({ token }: Pick<GuardOptions, "token">): MiddlewareHandler<{ Bindings: PeerBindings }> {
  const allows = token === null ? null : tokenComparison(token);
  return async (context, next) => {
    if (allows !== null) checkToken(context, allows);
    // A page of another site that asks what it may do.
    if (context.req.method === "OPTIONS") checkOrigin(context);
    await next();
  };
}

/** Before every route that changes something. */
export function changeGuard({ token, hostname }: GuardOptions): MiddlewareHandler<{ Bindings: PeerBindings }> {
  return async (context, next) => {
    if (!["GET", "HEAD"].includes(context.req.method)) {
      if (token === null) checkThisMachine(context, hostname);
      checkOrigin(context);
      checkJson(context);
    }
    await next();
  };
}

function checkToken(context: Context, allows: (token: string) => boolean): void {
  const header = context.req.header("authorization");
  const given = /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1];
  if (given !== undefined && allows(given)) return;
  const [problem, challenge] =
    header === undefined
      ? ["this API needs a token: send Authorization: Bearer TOKEN", 'Bearer realm="taskexe"']
      : ["the token is not the right one", 'Bearer realm="taskexe", error="invalid_token"'];
  throw new ApiError(401, "unauthorized", problem, { "WWW-Authenticate": challenge });
}

function checkThisMachine(context: Context<{ Bindings: PeerBindings }>, hostname: string): void {
  const instead = "set TASKEXE_TOKEN or TASKEXE_TOKEN_FILE to allow it from elsewhere";
  if (!isLoopback(hostname)) {
    const message = `without a token nothing can be changed while HTTP listens on ${hostname}: ${instead}`;
    throw new ApiError(403, "token_needed", message);
  }
  if (!isLoopback(context.env?.peer ?? "")) {
    throw new ApiError(403, "token_needed", `without a token only this machine may change anything: ${instead}`);
  }
  // A proxy on this machine makes everybody a neighbour.
  const forwarded = Object.keys(context.req.header()).find((name) => PROXY_HEADER.test(name));
  if (forwarded !== undefined) {
    const message = `the request came through a proxy (${forwarded}), so it may be from anywhere: ${instead}`;
    throw new ApiError(403, "token_needed", message);
  }
}

function checkOrigin(context: Context): void {
  const site = context.req.header("sec-fetch-site");
  const origin = context.req.header("origin");
  const host = context.req.header("host") || new URL(context.req.url).host;
  const foreign = site !== undefined && site !== "same-origin" && site !== "none";
  if (!foreign && (origin === undefined || isOrigin(origin, host))) return;
  throw new ApiError(403, "cross_site", "a page of another site may not change anything here");
}

function isOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

// A form of another site can post without asking first, but not with this type. PUT and DELETE it cannot send.
function checkJson(context: Context): void {
  if (context.req.method !== "POST" && context.req.method !== "PUT") return;
  const type = context.req.header("content-type") ?? "";
  if (/^application\/json\s*(;|$)/i.test(type)) return;
  const got = type === "" ? "none" : JSON.stringify(type.slice(0, 100));
  throw new ApiError(415, "not_json", `expected the header Content-Type: application/json, got ${got}`);
}

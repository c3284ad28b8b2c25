/**
 * Refuses a request whose Host is no host, or whose target is no address of HTTP, before anything is routed by it: a
 * URL that was glued from such a Host has another path than the one that was asked for (`Host: a/b?`).
 */
import type { MiddlewareHandler } from "hono";
import { getPath } from "hono/utils/url";

/** A name, an IPv4 address or a bracketed IPv6 address, then perhaps a port. */
const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,255})(?::\d{1,5})?$/i;

/** The name or address in a Host header or a URL's host, in small letters; null where it is no host. */
export function nameOfHost(host: string): string | null {
  const name = HOST.exec(host)?.[1];
  return name !== undefined && URL.canParse(`http://${host}`) ? name.toLowerCase() : null;
}

/** The path that a request is routed by. One that is not sound has none of its own: {@link soundRequest} refuses it. */
export function soundPath(request: Request): string {
  return problemOf(request) === null ? getPath(request) : "/";
}

/** Answers 400 to what is not sound. */
export const soundRequest: MiddlewareHandler = async (context, next) => {
  const problem = problemOf(context.req.raw);
  if (problem === null) return next();
  return context.json({ error: `the request cannot be read: ${problem}` }, 400);
};

function problemOf({ headers, url }: Request): string | null {
  // A client of HTTP/1.0 sends none.
  const host = headers.get("host") ?? "";
  if (host !== "" && nameOfHost(host) === null) return "its Host is no name or address with a port up to 65535";
  const target = URL.canParse(url) ? new URL(url) : null;
  if (target === null || !/^https?:$/.test(target.protocol) || target.username !== "" || target.password !== "") {
    return "its target is no path, and no address of http://";
  }
  return null;
}

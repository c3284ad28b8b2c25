/**
 * Refuses requests whose Host header is not a name of this server: the guard against DNS rebinding, by which a page
 * of the web points its own name at 127.0.0.1 and reads a service that listens for this machine only.
 * It guards loopback listeners alone: who listens on a network is reached under names that cannot be known here.
 */
import type { MiddlewareHandler } from "hono";

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** A name, an IPv4 address or a bracketed IPv6 address, then perhaps a port. */
const HOST = /^(\[[0-9a-f:.]+\]|[^\s:/@,[\]]+)(?::\d{1,5})?$/;

/** Tells whether only this machine can reach a listener on that hostname. */
export function isLoopback(hostname: string): boolean {
  const name = bracketed(hostname);
  return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || /^127(\.\d{1,3}){3}$/.test(name);
}

/**
 * Answers 421 to requests for other hosts than localhost, 127.0.0.1, [::1] and `hostname`, whatever the port; does
 * nothing where `hostname`, the one that is listened on, is not loopback.
 */
export function hostCheck(hostname: string): MiddlewareHandler {
  if (!isLoopback(hostname)) return (_context, next) => next();
  const names = new Set([...LOOPBACK_NAMES, bracketed(hostname)]);
  return async (context, next) => {
    // A client of HTTP/1.0 sends none, and no browser is one: the address that was connected to stands for it.
    const target = URL.canParse(context.req.url) ? new URL(context.req.url).host : "";
    const host = context.req.header("host") || target;
    // A target that names its host itself (GET http://host/path) must name one of ours, too.
    const isOurs = [host, target].every((one) => names.has(HOST.exec(one.toLowerCase())?.[1] ?? ""));
    if (isOurs) return next();
    const error = `this server listens on ${hostname} and answers only to the hosts ${[...names].join(", ")}`;
    const hint = "use one of them, or let it listen on the address that clients use";
    return context.json({ error, got: host.slice(0, 255), hint }, 421);
  };
}

function bracketed(hostname: string): string {
  const name = hostname.toLowerCase();
  return name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
}

/**
 * Refuses requests whose Host header is not a name of this server: the guard against DNS rebinding, by which a page
 * of the web points its own name at 127.0.0.1 and reads a service that listens for this machine only.
 * It guards loopback listeners alone: who listens on a network is reached under names that cannot be known here.
 * What is no host at all was refused before (sound-request.ts).
 */
import type { MiddlewareHandler } from "hono";
import { canonical, isLoopback } from "./ip-loopback.ts";
import { nameOfHost } from "./sound-request.ts";

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** What is listened on. */
export interface Listener {
  /** As it was asked for. */
  readonly hostname: string;
  /** The IP address that this bound, which decides what it is. */
  readonly address: string;
}

/**
 * Answers 421 to requests for other hosts than localhost, 127.0.0.1, [::1] and those of the listener, whatever the
 * port; does nothing where the address that is bound is not loopback.
 */
export function hostCheck({ hostname, address }: Listener): MiddlewareHandler {
  // Nor does a page of the web reach a Unix socket.
  if (!isLoopback(address)) return (_context, next) => next();
  const names = new Set([...LOOPBACK_NAMES, canonical(hostname), canonical(address)]);
  return async (context, next) => {
    // A client of HTTP/1.0 sends none, and no browser is one: the address that was connected to stands for it.
    const target = new URL(context.req.url).host;
    const host = context.req.header("host") || target;
    // A target that names its host itself (GET http://host/path) must name one of ours, too.
    const isOurs = [host, target].every((one) => names.has(canonical(nameOfHost(one) ?? "")));
    if (isOurs) return next();
    const error = `this server listens on ${hostname} and answers only to the hosts ${[...names].join(", ")}`;
    const hint = "use one of them, or let it listen on the address that clients use";
    return context.json({ error, got: host.slice(0, 255), hint }, 421);
  };
}

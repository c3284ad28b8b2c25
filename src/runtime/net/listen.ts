/**
 * What the three HTTP servers share: the limits on idle and slow clients, the check of an address before it is bound,
 * the error when it cannot be, and the answer when a handler fails.
 */

/**
 * How long a connection may be silent, in seconds: before the answer, within it, after it. Bun takes 255 at most, and
 * gives a request body this long as a whole. Deno has no such limit.
 */
export const SILENCE_LIMIT_S = 240;

/** How long a client of Node may take to send its headers, in seconds; Bun's own limit is 12. */
export const HEADERS_LIMIT_S = 15;

export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** The address without the brackets of IPv6. Throws when it cannot be one: an empty host, a port beyond 0 to 65535. */
export function checkedAddress({ hostname, port }: Address): Address {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (host === "") {
    throw cannotListen(
      { hostname, port },
      "the host is empty. Give 127.0.0.1 (this machine) or 0.0.0.0 (every network)",
    );
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw cannotListen({ hostname, port }, "a port is a whole number from 0 (any free one) to 65535");
  }
  return { hostname: host, port };
}

/** The path of the Unix socket that a hostname names, `unix:/PATH`; null where it is a host. */
export function socketPathOf(hostname: string): string | null {
  return hostname.startsWith("unix:") ? hostname.slice("unix:".length) : null;
}

/** The error of a listen that failed: where, what is wrong, what to do. */
export function listenError(address: Address, cause: unknown): Error {
  return cannotListen(address, why(cause), cause);
}

function cannotListen({ hostname, port }: Address, reason: string, cause?: unknown): Error {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return new Error(`Cannot listen on ${host}:${port}: ${reason}`, { cause });
}

function why(cause: unknown): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return "the port is in use. Stop the program that has it, or choose another port (0 takes any free one)";
    case "EACCES":
      return "permission denied. Ports below 1024 need root or CAP_NET_BIND_SERVICE: choose a higher one";
    case "EADDRNOTAVAIL":
      return "this machine has no such address. Use one of its own, 127.0.0.1 or 0.0.0.0";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host name cannot be resolved. Use an address of this machine, 127.0.0.1 or 0.0.0.0";
  }
  if (/lookup/.test(reason)) return `the host name cannot be resolved (${reason}). Use an address of this machine`;
  return reason;
}

/** An IPv4 client of a socket that serves both families comes as ::ffff:1.2.3.4; this gives 1.2.3.4. */
export function peerAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "";
}

/** The answer when a handler failed: says nothing of the error, which goes to standard error as a warning. */
export function failedAnswer(error: unknown): Response {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning("An HTTP handler failed", { detail });
  return new Response("Internal Server Error\n", { status: 500, headers: { "content-type": "text/plain" } });
}

/** What stands in a URL where a request names no host, as one of HTTP/1.0 may: the address that is listened on. */
export function authorityOf({ hostname, port }: Address): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

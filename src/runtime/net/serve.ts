/**
 * The HTTP server on Bun and on Node: that of node:http, which tells what a request really was (its version, its
 * target, a header that came twice). Bun's own server hides all three.
 */
import type { Server } from "node:http";
import { type HttpServer, type ServeOptions, UNIX_SOCKET } from "../runtime.ts";
import {
  type Address,
  authorityOf,
  checkedAddress,
  failedAnswer,
  HEADERS_LIMIT_S,
  listenError,
  peerAddress,
  SILENCE_LIMIT_S,
  socketPathOf,
} from "./listen.ts";
import { cannotListen, type SocketPlace, socketPlace } from "./unix-socket.ts";

/** Listens, and serves until it is closed. */
export async function serve(options: ServeOptions): Promise<HttpServer> {
  const path = socketPathOf(options.hostname);
  const address = path === null ? checkedAddress(options) : { hostname: "localhost", port: 80 };
  const { getRequestListener } = await import("@hono/node-server");
  const { createServer } = await import("node:http");
  const listener = getRequestListener(
    (request, { incoming }) => {
      if (hostsOf(incoming) > 1) return unreadable("it names its Host more than once");
      const { socket, httpVersionMajor, httpVersionMinor } = incoming;
      const isOld = httpVersionMajor < 1 || (httpVersionMajor === 1 && httpVersionMinor === 0);
      return options.fetch(request, {
        address: path === null ? peerAddress(socket.remoteAddress) : UNIX_SOCKET,
        isOld,
      });
    },
    // The globals stay as they are: what else runs in this process may compare against them.
    { overrideGlobalObjects: false, errorHandler: refusedOrFailed, hostname: authorityOf(address) },
  );
  const server = createServer(
    {
      keepAliveTimeout: SILENCE_LIMIT_S * 1000,
      headersTimeout: HEADERS_LIMIT_S * 1000,
      requestTimeout: SILENCE_LIMIT_S * 1000,
      connectionsCheckingInterval: 5000,
    },
    listener,
  );
  server.setTimeout(SILENCE_LIMIT_S * 1000);
  const place = path === null ? null : await socketPlace(path);
  await (place === null ? listen(server, address) : listenOnSocket(server, place));
  const bound = server.address();
  const isHost = bound !== null && typeof bound !== "string" && place === null;

  let closed: Promise<void> | undefined;
  return {
    hostname: path === null ? address.hostname : options.hostname,
    address: isHost ? bound.address : UNIX_SOCKET,
    port: isHost ? bound.port : 0,
    close() {
      closed ??= new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }).then(() => place?.remove());
      return closed;
    },
  };
}

async function listenOnSocket(server: Server, place: SocketPlace): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(place.temporary, resolve);
    });
    place.publish();
  } catch (error) {
    server.close();
    throw cannotListen(place.path, error instanceof Error ? error.message : String(error), error);
  }
}

async function listen(server: Server, address: Address): Promise<void> {
  try {
    // Bun reports a name that does not resolve as a socket that is not connected.
    await process.getBuiltinModule("node:dns/promises").lookup(address.hostname);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(address.port, address.hostname, resolve);
    });
  } catch (error) {
    throw listenError(address, error);
  }
}

function hostsOf({ rawHeaders }: { readonly rawHeaders: readonly string[] }): number {
  return rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === "host").length;
}

/** A request of which no URL can be made, with a Host that is none, is the client's mistake. */
function refusedOrFailed(error: unknown): Response {
  return error instanceof Error && error.name === "RequestError" ? unreadable(error.message) : failedAnswer(error);
}

function unreadable(reason: string): Response {
  const body = `${JSON.stringify({ error: `the request cannot be read: ${reason}` })}\n`;
  return new Response(body, { status: 400, headers: { "content-type": "application/json" } });
}

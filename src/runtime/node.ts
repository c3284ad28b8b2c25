/**
 * The runtime shim on Node 22.13 and later, from source.
 */

import type { AddressInfo } from "node:net";
import { trackAllocations } from "./allocations.ts";
import { observeCallSites } from "./call-sites.ts";
import { inheritedOptions } from "./entry.ts";
import { writeHeapSnapshot } from "./heap-snapshot.ts";
import { hostId } from "./host-id.ts";
import {
  authorityOf,
  checkedAddress,
  failedAnswer,
  HEADERS_LIMIT_S,
  listenError,
  peerAddress,
  SILENCE_LIMIT_S,
} from "./listen.ts";
import type { HttpServer, Runtime, ServeOptions } from "./runtime.ts";
import { onFatal, onSignal } from "./signals.ts";
import { sleep } from "./sleep.ts";
import { spawn } from "./spawn.ts";
import { openDatabase } from "./sqlite.ts";
import { collectGarbage, heapBytes, memory } from "./v8.ts";

/** The shim on Node; call it there only. */
export function nodeRuntime(): Runtime {
  const entry = process.argv[1];
  return {
    name: "node",
    version: process.versions.node,
    compiled: false,
    self: {
      command: process.execPath,
      args: entry === undefined ? inheritedOptions() : [...inheritedOptions(), entry],
    },
    onSignal,
    onFatal,
    sleep,
    memory,
    collectGarbage,
    writeHeapSnapshot,
    allocations: trackAllocations(heapBytes, observeCallSites),
    serve,
    spawn,
    openDatabase,
    hostId,
  };
}

async function serve(options: ServeOptions): Promise<HttpServer> {
  const address = checkedAddress(options);
  const { getRequestListener } = await import("@hono/node-server");
  const { createServer } = await import("node:http");
  const listener = getRequestListener(
    (request, { incoming }) => options.fetch(request, { address: peerAddress(incoming.socket.remoteAddress) }),
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
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(address, error)));
    server.listen(address.port, address.hostname, resolve);
  });

  let closed: Promise<void> | undefined;
  return {
    hostname: address.hostname,
    port: (server.address() as AddressInfo).port,
    close() {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closed;
    },
  };
}

/** A request of which no URL can be made, with a Host that is none, is the client's mistake. */
function refusedOrFailed(error: unknown): Response {
  if (!(error instanceof Error) || error.name !== "RequestError") return failedAnswer(error);
  const body = `${JSON.stringify({ error: `the request cannot be read: ${error.message}` })}\n`;
  return new Response(body, { status: 400, headers: { "content-type": "application/json" } });
}

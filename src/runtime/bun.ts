/**
 * The runtime shim on Bun, from source and inside an executable made by `bun build --compile`.
 */

import { trackAllocations } from "./allocations.ts";
import { inheritedOptions } from "./entry.ts";
import { writeHeapSnapshot } from "./heap-snapshot.ts";
import { hostId } from "./host-id.ts";
import { jsc } from "./jsc.ts";
import {
  type Address,
  authorityOf,
  checkedAddress,
  failedAnswer,
  listenError,
  peerAddress,
  SILENCE_LIMIT_S,
} from "./listen.ts";
import { observeObjectCounts } from "./object-counts.ts";
import type { HttpServer, MemoryFigures, Runtime, ServeOptions } from "./runtime.ts";
import { onFatal, onSignal } from "./signals.ts";
import { sleep } from "./sleep.ts";
import { spawn } from "./spawn.ts";
import { openDatabase } from "./sqlite.ts";
import { mendTracingChannel } from "./tracing-channel.ts";

/** The shim on Bun; call it there only. */
export function bunRuntime(): Runtime {
  mendTracingChannel();
  const compiled = Bun.isStandaloneExecutable;
  return {
    name: "bun",
    version: Bun.version,
    compiled,
    // In a compiled executable argv[0] is "bun" and Bun.main a file inside it; execPath is the real file.
    self: { command: process.execPath, args: compiled ? [] : [...inheritedOptions(), Bun.main] },
    onSignal,
    onFatal,
    sleep,
    memory,
    collectGarbage,
    writeHeapSnapshot,
    allocations: trackAllocations(heapBytes, () => observeObjectCounts()),
    serve,
    spawn,
    openDatabase,
    hostId,
  };
}

/** Both lag until a collection: heapUsed counts full ones only, heapSize is next to 0 until there was any. */
function heapBytes(): number {
  return Math.max(jsc().heapSize(), process.memoryUsage().heapUsed);
}

/** Asked for at every /status: heapSize() walks the heap (up to 15 ms of a busy one), so the cheap figure serves here. */
function memory(): MemoryFigures {
  const { rss, heapUsed } = process.memoryUsage();
  return {
    rssBytes: rss,
    heapBytes: heapUsed,
    maxRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

function collectGarbage(): boolean {
  Bun.gc(true);
  return true;
}

async function serve(options: ServeOptions): Promise<HttpServer> {
  const address = checkedAddress(options);
  const server = await listen(address, options.fetch);
  let closed: Promise<void> | undefined;
  return {
    hostname: address.hostname,
    port: server.port ?? address.port,
    close() {
      closed ??= server.stop(true);
      return closed;
    },
  };
}

async function listen(address: Address, fetch: ServeOptions["fetch"]) {
  try {
    return Bun.serve({
      hostname: address.hostname,
      port: address.port,
      // Otherwise a failing handler shows the source in a page of 51 KB.
      development: false,
      // Left out, a second server of this process takes the same port without an error, and is never asked.
      reusePort: false,
      // Timers tick every 4 s and writes restart them; below 8 s they cut off streams that do send.
      idleTimeout: SILENCE_LIMIT_S,
      fetch: (request, server) => {
        const client = { address: peerAddress(server.requestIP(request)?.address) };
        // Without a Host, or with one that is none, Bun gives the path alone.
        if (!request.url.startsWith("/")) return fetch(request, client);
        const authority = authorityOf({ hostname: address.hostname, port: server.port ?? address.port });
        return fetch(new Request(`http://${authority}${request.url}`, request), client);
      },
      error: failedAnswer,
    });
  } catch (error) {
    throw listenError(address, (await lookupError(address)) ?? error);
  }
}

/** Bun reports a name that does not resolve as a port in use; this finds out. */
async function lookupError({ hostname }: Address): Promise<unknown> {
  try {
    await process.getBuiltinModule("node:dns/promises").lookup(hostname);
    return undefined;
  } catch (error) {
    return error;
  }
}

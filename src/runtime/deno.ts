/**
 * The runtime shim on Deno 2, from source, run with --allow-all.
 */

import { trackAllocations } from "./allocations.ts";
import { observeCallSites } from "./call-sites.ts";
import { writeHeapSnapshot } from "./heap-snapshot.ts";
import { hostId } from "./host-id.ts";
import { type Address, checkedAddress, failedAnswer, listenError, peerAddress } from "./listen.ts";
import type { HttpServer, Runtime, ServeOptions } from "./runtime.ts";
import { onFatal, onSignal } from "./signals.ts";
import { sleep } from "./sleep.ts";
import { spawn } from "./spawn.ts";
import { openDatabase } from "./sqlite.ts";
import { collectGarbage, heapBytes, memory } from "./v8.ts";

/** What of Deno's global is used here. */
interface DenoGlobal {
  readonly version: { readonly deno: string };
  readonly mainModule: string;
  serve(
    options: {
      hostname: string;
      port: number;
      signal: AbortSignal;
      onListen: () => void;
      onError: (error: unknown) => Response;
    },
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname?: string } },
    ) => Response | Promise<Response>,
  ): { readonly addr: { readonly hostname: string; readonly port: number }; readonly finished: Promise<void> };
}

declare const Deno: DenoGlobal;

/** The shim on Deno; call it there only. */
export function denoRuntime(): Runtime {
  const { version, mainModule } = Deno;
  return {
    name: "deno",
    version: version.deno,
    compiled: false,
    self: { command: process.execPath, args: ["run", "--allow-all", mainModule] },
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
  const stop = new AbortController();
  const server = listen(address, options.fetch, stop.signal);
  return {
    hostname: address.hostname,
    address: server.addr.hostname,
    port: server.addr.port,
    close() {
      stop.abort();
      return server.finished;
    },
  };
}

function listen(address: Address, fetch: ServeOptions["fetch"], signal: AbortSignal) {
  try {
    return Deno.serve({ ...address, signal, onListen: () => {}, onError: failedAnswer }, (request, { remoteAddr }) =>
      fetch(request, { address: peerAddress(remoteAddr.hostname), isOld: false }),
    );
  } catch (error) {
    throw listenError(address, error);
  }
}

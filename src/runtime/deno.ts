/**
 * The runtime shim on Deno 2, from source, run with --allow-all.
 */

import { openDatabase } from "./files/sqlite.ts";
import { trackAllocations } from "./memory/allocations.ts";
import { observeCallSites } from "./memory/call-sites.ts";
import { writeHeapSnapshot } from "./memory/heap-snapshot.ts";
import { collectGarbage, heapBytes, memory } from "./memory/v8.ts";
import { type Address, checkedAddress, failedAnswer, listenError, peerAddress, socketPathOf } from "./net/listen.ts";
import { socketPlace } from "./net/unix-socket.ts";
import { hostId } from "./process/host-id.ts";
import { type Argument, type ForeignCalls, type LibraryCall, linuxCalls } from "./process/linux-calls.ts";
import { onFatal, onSignal } from "./process/signals.ts";
import { spawn } from "./process/spawn.ts";
import { type HttpServer, type Runtime, type ServeOptions, UNIX_SOCKET } from "./runtime.ts";
import { sleep } from "./sleep.ts";

/** What of Deno's global is used here. */
interface DenoGlobal {
  readonly version: { readonly deno: string };
  readonly mainModule: string;
  dlopen(
    name: string,
    symbols: Readonly<Record<string, { readonly parameters: readonly string[]; readonly result: string }>>,
  ): { readonly symbols: Readonly<Record<string, LibraryCall>> };
  serve(
    options: {
      hostname?: string;
      port?: number;
      path?: string;
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

const TYPES = { int: "i32", long: "u64", bytes: "buffer" } as const satisfies Record<Argument, string>;

const FOREIGN: ForeignCalls = {
  open(name, signatures) {
    const table = Object.entries(signatures).map(([symbol, given]) => {
      return [symbol, { parameters: given.map((each) => TYPES[each]), result: "i32" }] as const;
    });
    return Deno.dlopen(name, Object.fromEntries(table)).symbols;
  },
  // An exec would need it, and threads of Deno's own stand in its way.
  address: null,
};

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
    giveBackMemory: () => {},
    writeHeapSnapshot,
    allocations: trackAllocations(heapBytes, observeCallSites),
    serve,
    spawn,
    openDatabase,
    hostId,
    linuxCalls: linuxCalls(FOREIGN),
  };
}

async function serve(options: ServeOptions): Promise<HttpServer> {
  const path = socketPathOf(options.hostname);
  if (path !== null) return serveOnSocket(path, options);
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

async function serveOnSocket(path: string, { hostname, fetch }: ServeOptions): Promise<HttpServer> {
  const place = await socketPlace(path);
  const stop = new AbortController();
  const { signal } = stop;
  const server = Deno.serve({ path: place.temporary, signal, onListen: () => {}, onError: failedAnswer }, (request) =>
    fetch(asHttp(request), { address: UNIX_SOCKET, isOld: false }),
  );
  place.publish();
  return {
    hostname,
    address: UNIX_SOCKET,
    port: 0,
    async close() {
      stop.abort();
      await server.finished;
      place.remove();
    },
  };
}

/** Deno names the socket in the URL: http+unix://%2Fpath/status. */
function asHttp(request: Request): Request {
  const { pathname, search } = new URL(request.url);
  return new Request(`http://localhost${pathname}${search}`, request);
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

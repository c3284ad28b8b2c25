/**
 * The runtime shim on Node 22.13 and later, from source.
 */

import { openDatabase } from "./files/sqlite.ts";
import { trackAllocations } from "./memory/allocations.ts";
import { observeCallSites } from "./memory/call-sites.ts";
import { writeHeapSnapshot } from "./memory/heap-snapshot.ts";
import { collectGarbage, heapBytes, memory } from "./memory/v8.ts";
import { serve } from "./net/serve.ts";
import { inheritedOptions } from "./process/entry.ts";
import { hostId } from "./process/host-id.ts";
import { onFatal, onSignal } from "./process/signals.ts";
import { spawn } from "./process/spawn.ts";
import type { Runtime } from "./runtime.ts";
import { sleep } from "./sleep.ts";

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
    giveBackMemory: () => {},
    writeHeapSnapshot,
    allocations: trackAllocations(heapBytes, observeCallSites),
    serve,
    spawn,
    openDatabase,
    hostId,
    // It cannot call C.
    linuxCalls: () => null,
  };
}

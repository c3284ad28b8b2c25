/**
 * The runtime shim on Node 22.13 and later, from source.
 */

import { trackAllocations } from "./allocations.ts";
import { observeCallSites } from "./call-sites.ts";
import { inheritedOptions } from "./entry.ts";
import { writeHeapSnapshot } from "./heap-snapshot.ts";
import { hostId } from "./host-id.ts";
import type { Runtime } from "./runtime.ts";
import { serve } from "./serve.ts";
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

/**
 * The runtime shim on Bun, from source and inside an executable made by `bun build --compile`.
 */

import { openDatabase } from "./files/sqlite.ts";
import { trackAllocations } from "./memory/allocations.ts";
import { writeHeapSnapshot } from "./memory/heap-snapshot.ts";
import { jsc } from "./memory/jsc.ts";
import { observeObjectCounts } from "./memory/object-counts.ts";
import { serve } from "./net/serve.ts";
import { inheritedOptions } from "./process/entry.ts";
import { bunForeignCalls } from "./process/foreign-bun.ts";
import { hostId } from "./process/host-id.ts";
import { linuxCalls } from "./process/linux-calls.ts";
import { onFatal, onSignal } from "./process/signals.ts";
import { spawn } from "./process/spawn.ts";
import type { MemoryFigures, Runtime } from "./runtime.ts";
import { sleep } from "./sleep.ts";
import { mendTracingChannel } from "./tracing-channel.ts";

/** The shim on Bun; call it there only. */
export function bunRuntime(): Runtime {
  mendTracingChannel();
  const compiled = Bun.isStandaloneExecutable;
  const calls = linuxCalls(bunForeignCalls());
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
    giveBackMemory: () => {
      Bun.gc(true);
      calls()?.forgetCode();
    },
    writeHeapSnapshot,
    allocations: trackAllocations(heapBytes, () => observeObjectCounts()),
    serve,
    spawn,
    openDatabase,
    hostId,
    linuxCalls: calls,
  };
}

/** Both lag until a collection: heapUsed counts full ones only, heapSize is next to 0 until there was any. */
function heapBytes(): number {
  return Math.max(jsc().heapSize(), process.memoryUsage().heapUsed);
}

/**
 * Asked for at every /status: heapSize() walks the heap (up to 15 ms of a busy one), so the cheap figure serves here.
 */
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

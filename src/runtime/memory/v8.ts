/**
 * Memory on V8, the engine of Node and Deno.
 */

import type { MemoryFigures } from "../runtime.ts";

/** The JavaScript heap in use, in bytes, garbage that was not yet collected included. */
export function heapBytes(): number {
  return process.memoryUsage().heapUsed;
}

/** Memory of this process, in bytes. */
export function memory(): MemoryFigures {
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed, maxRssBytes: process.resourceUsage().maxRSS * 1024 };
}

/** Collects garbage now. The collector is asked for at the first call, without --expose-gc on the command line. */
export function collectGarbage(): boolean {
  const gc = globalThis.gc ?? exposedGc();
  if (gc === undefined) return false;
  gc();
  return true;
}

let exposed: (() => void) | undefined;

/** A new context made after the flag was set has `gc`; the contexts made before it have not. */
function exposedGc(): (() => void) | undefined {
  if (exposed === undefined) {
    process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
    const gc: unknown = process.getBuiltinModule("node:vm").runInNewContext("globalThis.gc");
    if (typeof gc === "function") exposed = () => gc();
  }
  return exposed;
}

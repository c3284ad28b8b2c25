/**
 * Picks the runtime this process runs on, once and synchronously, and gives it as `runtime`.
 * Importing this file is cheap: whatever is heavy (HTTP server, SQLite, inspector) is loaded by the call that needs it.
 * What each runtime does is in bun.ts, node.ts and deno.ts; what all three share is in the file named after its role.
 */

import { bunRuntime } from "./bun.ts";
import { denoRuntime } from "./deno.ts";
import { nodeRuntime } from "./node.ts";
import type { Runtime } from "./runtime.ts";

export type * from "./runtime.ts";
export { UNIX_SOCKET } from "./runtime.ts";

// Bun and Deno both offer a `process`, so they are asked for first; what is left is Node.
function pick(): Runtime {
  if ("Bun" in globalThis) return bunRuntime();
  if ("Deno" in globalThis) return denoRuntime();
  return nodeRuntime();
}

/** The shim of the runtime this process runs on. */
export const runtime: Runtime = pick();

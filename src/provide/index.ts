/**
 * Lets handler files that lie anywhere, with no node_modules beside them, import what this program is made of:
 * "taskexe" with its subpaths, and "valibot". They get the modules that run here, not copies, so a signal, a class
 * or a registered definition is the same on both sides. One file per runtime knows how.
 */
import type { OfferedModules } from "../handlers/loading/offered-modules.ts";
import { runtime } from "../runtime/index.ts";
import { PROVIDED } from "./names.ts";
import { provideToWorkers } from "./workers.ts";

/** For the loading of handler files, which lies below what they may import. */
export const providedModules: OfferedModules = { names: PROVIDED, offer: provideModules };

let provided: Promise<void> | null = null;

/** Makes the names importable from now on, in this thread. Calling it again does nothing. */
export function provideModules(): Promise<void> {
  provided ??= provide();
  return provided;
}

async function provide(): Promise<void> {
  switch (runtime.name) {
    case "bun":
      await (await import("./bun.ts")).provideOnBun();
      return provideToWorkers();
    case "node":
      (await import("./node.ts")).provideOnNode();
      return provideToWorkers();
    case "deno":
      return (await import("./deno.ts")).provideOnDeno();
  }
}

/**
 * Bun: a runtime plugin offers the modules of this program by name. It wins over any node_modules, and it works in a
 * compiled executable, where the modules have no path that others could import. Plugins count per thread.
 */
import type { ProvidedName } from "./names.ts";

export async function provideOnBun(): Promise<void> {
  const exports: Record<ProvidedName, object> = {
    taskexe: await import("../index.ts"),
    "taskexe/concurrency": await import("../concurrency/index.ts"),
    "taskexe/testing": await import("../testing.ts"),
    valibot: await import("valibot"),
  };
  Bun.plugin({
    name: "taskexe",
    setup(build) {
      for (const [name, module] of Object.entries(exports)) {
        build.module(name, () => ({ exports: { ...module }, loader: "object" }));
      }
    },
  });
}

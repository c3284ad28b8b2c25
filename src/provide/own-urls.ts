/** Where the modules of this program lie when it runs from source, as on Node and Deno: name -> file URL. */
import type { ProvidedName } from "./names.ts";

export function ownUrls(): ReadonlyMap<string, string> {
  const urls: Record<ProvidedName, string> = {
    taskexe: import.meta.resolve("../index.ts"),
    "taskexe/concurrency": import.meta.resolve("../concurrency/index.ts"),
    "taskexe/testing": import.meta.resolve("../testing.ts"),
    valibot: import.meta.resolve("valibot"),
  };
  return new Map(Object.entries(urls));
}

/**
 * Deno: the same resolve hook as on Node, and a load hook that only passes on. Without the load hook Deno resolves
 * the whole graph of an imported file before any hook is asked, and refuses bare names as "not a dependency".
 * Both stay: what handlers import later, while they run, goes the same way.
 */
import * as module from "node:module";
import { noteModule } from "../handlers/loading/loaded-modules.ts";
import { ownUrls } from "./own-urls.ts";

export function provideOnDeno(): void {
  const urls = ownUrls();
  module.registerHooks({
    resolve(specifier, context, next) {
      const url = urls.get(specifier);
      if (url !== undefined) return { url, shortCircuit: true };
      const found = next(specifier, context);
      noteModule(found.url);
      // Under hooks, Deno takes a package that it does not find for a file beside the importer: say what is missing.
      if (context.parentURL !== undefined && isBare(specifier) && found.url === beside(specifier, context.parentURL)) {
        throw new Error(`Cannot find package '${specifier}' imported from ${context.parentURL}`);
      }
      return found;
    },
    load(url, context, next) {
      const loaded = next(url, context);
      // Deno leaves the format of JSON open here, and then runs what `require` reads as JavaScript.
      const required = url.endsWith(".json") && context.conditions.includes("require");
      return required ? { ...loaded, format: "json", shortCircuit: true } : loaded;
    },
  });
}

function isBare(specifier: string): boolean {
  return !/^[./]|^[a-z][a-z0-9+.-]*:/i.test(specifier);
}

function beside(specifier: string, parentUrl: string): string | null {
  return URL.canParse(specifier, parentUrl) ? new URL(specifier, parentUrl).href : null;
}

/**
 * Node: a resolve hook sends the provided names to this program's own files, so they are the same module instances.
 * The synchronous hooks came with 22.15; before it the hook runs on Node's loader thread, from a data: URL.
 */
import * as module from "node:module";
import { noteModule } from "../handlers/loading/loaded-modules.ts";
import { ownUrls } from "./own-urls.ts";

const ASYNC_HOOK = `
let urls = new Map();
export function initialize(entries) { urls = new Map(entries); }
export function resolve(specifier, context, next) {
  const url = urls.get(specifier) ?? withBackslash(specifier, context.parentURL);
  return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
}
const withBackslash = ${withBackslash};`;

/** A file URL with a backslash in its path, which Node refuses to resolve, though it can load it. */
function withBackslash(specifier: string, parent: string | undefined): string | undefined {
  const url =
    /^\.{0,2}\//.test(specifier) && URL.canParse(specifier, parent) ? new URL(specifier, parent).href : specifier;
  return /^file:.*%5c/i.test(url) ? url : undefined;
}

export function provideOnNode(): void {
  const urls = ownUrls();
  if (typeof module.registerHooks === "function") {
    module.registerHooks({
      resolve(specifier, context, next) {
        const url = urls.get(specifier) ?? withBackslash(specifier, context.parentURL);
        const found = url === undefined ? next(specifier, context) : { url, shortCircuit: true };
        noteModule(found.url);
        return found;
      },
    });
    return;
  }
  module.register(`data:text/javascript,${encodeURIComponent(ASYNC_HOOK)}`, { data: [...urls] });
}

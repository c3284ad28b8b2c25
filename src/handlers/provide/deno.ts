/**
 * Deno: the same resolve hook as on Node, and a load hook that only passes on. Without the load hook Deno resolves
 * the whole graph of an imported file before any hook is asked, and refuses bare names as "not a dependency".
 */
import * as module from "node:module";
import { ownUrls } from "./own-urls.ts";

export function provideOnDeno(): void {
  const urls = ownUrls();
  module.registerHooks({
    resolve(specifier, context, next) {
      const url = urls.get(specifier);
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
    load: (url, context, next) => next(url, context),
  });
}

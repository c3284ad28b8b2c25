/**
 * JavaScriptCore's own figures, for Bun alone. An `import "bun:jsc"` would break Node and Deno, so it is asked for
 * here.
 */

/** The module `bun:jsc`. Call it on Bun only. */
export function jsc(): typeof import("bun:jsc") {
  return process.getBuiltinModule("bun:jsc") as typeof import("bun:jsc");
}

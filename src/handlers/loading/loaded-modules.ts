/**
 * Which files handler files have brought in, themselves included, as far as the runtime tells: Bun has a list of its
 * modules; Node.js and Deno tell a hook (provide/), where they have one. What npm has installed and what is our own is
 * left out. On Bun they can be forgotten, so that the next import reads them again.
 */
import { createRequire } from "node:module";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "../../runtime/index.ts";

/** So many are remembered where a hook tells of them. */
const MOST = 10_000;

/** Where the modules of this program are. */
const OWN_FOLDER = runtime.compiled ? "/$bunfs/" : fileURLToPath(new URL("../..", import.meta.url));

const noted = new Set<string>();
/** Modules that are there before any handler file is imported are our own. */
let ours: ReadonlySet<string> | null = null;

/** A hook tells of a module that is imported. */
export function noteModule(url: string): void {
  if (noted.size < MOST && url.startsWith("file:")) noted.add(fileURLToPath(url));
}

/** To be called before the first handler file is imported. */
export function beginToNote(): void {
  ours ??= new Set(allModules());
}

/** Absolute paths. */
export function loadedModules(): string[] {
  return allModules().filter((path) => ours?.has(path) === false && isAbsolute(path) && !isForeign(path));
}

/** Has the next import read them again. False: this runtime cannot. */
export function forgetModules(): boolean {
  if (runtime.name !== "bun") return false;
  const { cache } = createRequire(import.meta.url);
  for (const path of loadedModules()) delete cache[path];
  return true;
}

function allModules(): string[] {
  return runtime.name === "bun" ? Object.keys(createRequire(import.meta.url).cache) : [...noted];
}

function isForeign(path: string): boolean {
  return path.includes("/node_modules/") || path.startsWith(OWN_FOLDER);
}

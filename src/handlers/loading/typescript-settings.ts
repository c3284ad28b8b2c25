/**
 * What a tsconfig.json asks for and is not done: `paths`, and decorators as TypeScript had them before they became part
 * of the language. The executable reads no tsconfig.json when it imports, since one in a folder above belongs to a
 * stranger; a handler that needs one is refused with that sentence and never runs otherwise than it was written for.
 */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { runtime } from "../../runtime/index.ts";
import type { HandlerProblem } from "./handler-load-error.ts";

/** Larger ones are none. */
const MAX_TEXT = 4 * 1024 * 1024;
/** How many files of a handler's own are looked through. */
const MAX_FILES = 500;

const STANDARD = "write them as the standard has them: (value, context) => ..., without parameter decorators";

/**
 * Comments, and texts in quotes: an @ in them is no decorator. One without an end is passed once, not from each place.
 */
const NO_CODE = /\/\*[\s\S]*?(?:\*\/|$)|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?/g;
const DECORATOR = /(?:^|[\s;{}()[\],])@(?:\(|[A-Za-z_$])/;
/** Behind a bracket or a comma only a class may follow a decorator, or it is a parameter's. */
const PARAMETER_DECORATOR = /[(,]\s*@[A-Za-z_$][\w$.]*(?:\([^()]*\))?\s+(?!class\b|@)[\w${[]/;
const OWN_IMPORT = /(?:\bfrom|\bimport)\s*(?:\(\s*)?["'](\.{1,2}\/[^"']+)["']/g;

/** Whether a source has decorators, as far as its text tells. */
export function usesDecorators(text: string): boolean {
  return text.includes("@") && DECORATOR.test(text.replace(NO_CODE, '""'));
}

/** Whether a source has decorators of parameters, which the standard has not: Bun leaves them out without a word. */
export function usesParameterDecorators(text: string): boolean {
  return text.includes("@") && PARAMETER_DECORATOR.test(text.replace(NO_CODE, '""'));
}

/**
 * The problem of a handler file that uses legacy decorators, it or what it imports of its own: those of parameters, and
 * all where the tsconfig.json of its folder (or of one above, within the folders that were named) sets
 * `experimentalDecorators`. Null where there is none.
 */
export async function legacyDecorators(file: string, roots: readonly string[]): Promise<HandlerProblem | null> {
  // Bun itself, from source, reads the setting and does as it says.
  if (runtime.name === "bun" && !runtime.compiled) return null;
  const settings = await ownSettings(file, roots);
  const isSet = settings !== null && /"experimentalDecorators"\s*:\s*true/.test(withoutComments(settings.text));
  const user = await firstOf(file, isSet ? usesDecorators : usesParameterDecorators);
  if (user === null) return null;
  const why = isSet ? `decorators, and ${settings.path} sets experimentalDecorators` : "decorators of parameters";
  const what = `${user === file ? "it" : user} uses ${why}: legacy decorators are not supported`;
  return { file, what, advice: STANDARD };
}

/** What to say of a file that has decorators and did not load; null where it has none. */
export async function adviceOnDecorators(file: string): Promise<string | null> {
  const text = await textOf(file);
  if (text === null || !usesDecorators(text)) return null;
  if (runtime.name === "node") return "it uses decorators, which Node.js does not run: use the executable, Bun or Deno";
  return `it uses decorators: legacy ones (experimentalDecorators) are not supported; ${STANDARD}`;
}

/** What to say of an import that is not found and may be one of tsconfig's `paths`; null where it is none. */
export async function adviceOnPaths(file: string, name: string): Promise<string | null> {
  if (!/^[@~$]\/|^~/.test(name) && !(await pathsAreSet(file))) return null;
  return (
    `paths and baseUrl of a tsconfig.json are not read: import it by a relative path, or by "imports" in a ` +
    `package.json ("#lib/*")`
  );
}

/** The nearest settings decide what may have been meant; nothing is taken from them but that. */
async function pathsAreSet(file: string): Promise<boolean> {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    for (const name of ["tsconfig.json", "jsconfig.json"]) {
      const text = await textOf(join(folder, name));
      if (text !== null) return /"(?:paths|baseUrl)"\s*:/.test(withoutComments(text));
    }
    if (folder === dirname(folder)) return false;
  }
}

async function ownSettings(file: string, roots: readonly string[]): Promise<{ path: string; text: string } | null> {
  const within = (folder: string) => roots.some((root) => folder === root || folder.startsWith(`${root}/`));
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const path = join(folder, "tsconfig.json");
    const text = await textOf(path);
    if (text !== null) return { path, text };
    if (!within(dirname(folder))) return null;
  }
}

/** The first of a handler file and the files that it imports by relative paths, and those in turn. */
async function firstOf(file: string, isOne: (text: string) => boolean): Promise<string | null> {
  const files = new Set([file]);
  for (const one of files) {
    const text = await textOf(one);
    if (text === null) continue;
    // What stands between tags is text, and may hold anything.
    if (!/\.[jt]sx$/.test(one) && isOne(text)) return one;
    for (const name of ownImports(text)) {
      if (files.size >= MAX_FILES) break;
      for (const path of meantBy(resolve(dirname(one), name))) files.add(path);
    }
  }
  return null;
}

/** What a source imports by relative paths, as it is written. */
export function ownImports(text: string): string[] {
  return [...text.matchAll(OWN_IMPORT)].map(([, name = ""]) => name);
}

/** An import may leave the ending out, or name that of what would be compiled. */
function meantBy(path: string): string[] {
  const bare = path.replace(/\.([cm]?)jsx?$/, "");
  return [path, `${bare}.ts`, `${bare}.tsx`, `${bare}.mts`, join(path, "index.ts")];
}

function withoutComments(text: string): string {
  return text.replace(
    /("(?:\\.|[^"\\\n])*"?)|\/\*[\s\S]*?(?:\*\/|$)|\/\/[^\n]*/g,
    (_, quoted: string | undefined) => quoted ?? "",
  );
}

/** Null where there is no such file that can be read. */
async function textOf(path: string): Promise<string | null> {
  try {
    const text = await readFile(path, "utf8");
    return text.length > MAX_TEXT ? null : text;
  } catch {
    return null;
  }
}

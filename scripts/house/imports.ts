/** Which file of src imports which, read from their text: values, types and imports at run time alike. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** By the path of each file below the folder, the paths of what it imports there. */
export type Imports = ReadonlyMap<string, readonly string[]>;

const IMPORT = /^(?!\s*(?:\*|\/\/)).*?\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/gm;

export function importsIn(folder: string): Imports {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return new Map(files.map((file) => [file, importsOf(file, readFileSync(join(folder, file), "utf8"))]));
}

function importsOf(file: string, text: string): string[] {
  return [...text.matchAll(IMPORT)].map(([, path = ""]) => normalize(join(dirname(file), path)));
}

/** Files that lead back to themselves, each circle once, as a way through it. */
export function circlesIn(imports: Imports): string[][] {
  const circles: string[][] = [];
  const isDone = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    const from = way.indexOf(file);
    if (from >= 0) circles.push([...way.slice(from), file]);
    if (from >= 0 || isDone.has(file)) return;
    for (const next of imports.get(file) ?? []) walk(next, [...way, file]);
    isDone.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return circles;
}

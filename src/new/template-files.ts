/**
 * The files of a template: out of the executable, else from the disk, where they lie beside this file, in the sources
 * as in the npm package. A template's file ends in `.txt` beside its own ending where a tool of this repository, or
 * npm, would take it for one of its own; that ending is dropped.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "../runtime/index.ts";

/** Paths below the project, with `/`, and what stands in them; sorted by path. */
export type ProjectFiles = ReadonlyMap<string, string>;

/**
 * Reads them and puts the values in.
 *
 * @param template - the name of its folder.
 * @param values - `{{key}}` in a text becomes the value of `key`.
 * @throws Error where a text names a key that has no value: the template is wrong.
 */
export async function projectFiles(template: string, values: Readonly<Record<string, string>>): Promise<ProjectFiles> {
  const texts = [...(await textsOf(template))].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(texts.map(([path, text]) => [path.replace(/\.txt$/, ""), filled(path, text, values)]));
}

function filled(path: string, text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{\{([a-zA-Z]+)\}\}/g, (_, key: string) => {
    const value = values[key];
    if (value === undefined) throw new Error(`the template ${path} has {{${key}}}, which has no value`);
    return value;
  });
}

async function textsOf(template: string): Promise<[path: string, text: string][]> {
  const prefix = `${template}/`;
  if (!runtime.compiled) return readTexts(fileURLToPath(import.meta.resolve(`./templates/${prefix}`)));
  const { EMBEDDED } = await import("./embedded.ts");
  return Object.entries(EMBEDDED)
    .filter(([path]) => path.startsWith(prefix))
    .map(([path, text]) => [path.slice(prefix.length), text]);
}

async function readTexts(folder: string): Promise<[path: string, text: string][]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  // The worker for Python is a link to the one file of it, in the sources; in the package it is a file.
  const texts = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const files = texts.map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    files.map(async (file) => [file.slice(folder.length).replaceAll("\\", "/"), await readFile(file, "utf8")] as const),
  ).then((texts) => texts.map(([path, text]) => [path, text]));
}

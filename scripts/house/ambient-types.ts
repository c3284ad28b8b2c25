/**
 * The types of the package as one text that needs no install: `declare module "taskexe"` and its entrances, for an
 * editor beside a project that `taskexe new` has written. Made of the declarations that TypeScript writes: each file
 * that an entrance needs becomes a module of its own, below `taskexe/types/`, with its comments.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
/** By the names under which they are imported. */
const ENTRANCES = { taskexe: "index", "taskexe/concurrency": "concurrency/index", "taskexe/testing": "testing" };
const RELATIVE = /(\bfrom |\bimport |\bimport\()"(\.[^"]+)"/g;

/** The text, as it stands in the project that `taskexe new` writes. */
export function ambientTypes(): string {
  const folder = mkdtempSync(join(tmpdir(), "taskexe-types-"));
  try {
    emit(folder);
    const needed = new Map<string, string>();
    for (const file of Object.values(ENTRANCES)) collect(join(folder, "src"), file, needed);
    const modules = [...needed].map(([file, text]) => `declare module "${nameOf(file)}" {\n${text}}\n`);
    const entrances = Object.entries(ENTRANCES).map(
      ([name, file]) => `declare module "${name}" {\n  export * from "${nameOf(file)}";\n}\n`,
    );
    return [HEAD, ...entrances, ...modules].join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const HEAD = `// The types of taskexe, so that an editor knows them without an install. Written by \`taskexe new\`.
// Where the package is installed (node_modules/taskexe), remove this file: it has its own.
`;

function emit(folder: string): void {
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const args = ["-p", join(ROOT, "tsconfig.package.json"), "--emitDeclarationOnly", "--outDir", folder];
  const { status, stdout, error } = spawnSync(tsc, args, { cwd: ROOT, encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`the sources do not compile:\n${stdout}`);
}

/** Takes a file, by its path without ending, and whatever it imports. */
function collect(root: string, file: string, needed: Map<string, string>): void {
  if (needed.has(file)) return;
  needed.set(file, "");
  const text = readFileSync(join(root, `${file}.d.ts`), "utf8");
  const others: string[] = [];
  const named = text.replace(RELATIVE, (_, before: string, path: string) => {
    const other = normalize(join(dirname(file), path)).replace(/\.ts$/, "");
    others.push(other);
    return `${before}"${nameOf(other)}"`;
  });
  needed.set(file, ambient(named));
  for (const other of others) collect(root, other, needed);
}

function nameOf(file: string): string {
  return `taskexe/types/${file}`;
}

/** In an ambient module everything is declared already. */
function ambient(text: string): string {
  return text
    .replace(/^(export )?(default )?declare /gm, "$1$2")
    .replace(/^#!.*\n/, "")
    .replace(/^(?=.)/gm, "  ");
}

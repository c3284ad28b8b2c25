/**
 * Makes the package for Bun, Node and Deno: `bun scripts/package.ts [FOLDER]`, by default dist/npm; `npm pack` there
 * gives the tarball. Runtimes strip types from a project's own files only, not below node_modules: so it holds
 * JavaScript with declarations, as TypeScript writes them, one module a file. The default folder is replaced; another
 * one must be missing or empty.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const OWN_FOLDER = join(ROOT, "dist/npm");
/** Beside package.json, as src is: so the modules find it where they look for it. */
const LIB = "lib";
const EXECUTABLE = "main.js";
/** What `taskexe new` writes: texts, not sources. */
const TEMPLATES = "new/templates";
const TEXTS = ["README.md", "CHANGELOG.md", "LICENSE"];
/** The assets of the page, where src/http/page/assets.ts looks for them. */
const PAGE = "dist/page.txt";

/** What of the project's package.json is used. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

try {
  place(resolve(process.argv[2] ?? OWN_FOLDER));
} catch (error) {
  process.stderr.write(`package: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** Puts the package in place whole, by a rename. */
function place(folder: string): void {
  const replaces = folder === OWN_FOLDER;
  if (!replaces && existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`${folder} is not empty: name a folder that is, or none`);
  }
  mkdirSync(dirname(folder), { recursive: true });
  const aside = mkdtempSync(join(dirname(folder), ".package-"));
  try {
    makePackage(aside);
    chmodSync(aside, 0o755);
    if (replaces) rmSync(folder, { recursive: true, force: true });
    renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  process.stdout.write(`${folder}\n`);
}

function makePackage(into: string): void {
  compile(into);
  const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  writeFileSync(join(into, "package.json"), `${JSON.stringify(packageManifest(manifest), null, 2)}\n`);
  cpSync(join(ROOT, "src", TEMPLATES), join(into, LIB, TEMPLATES), { recursive: true, dereference: true });
  for (const text of TEXTS) copyFileSync(join(ROOT, text), join(into, text));
  const page = [join(ROOT, "scripts/page.ts"), join(into, PAGE)];
  const { status, stderr, error } = spawnSync(join(ROOT, "node_modules/.bin/bun"), page, {
    cwd: ROOT,
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`the assets of the page could not be made:\n${stderr}`);
}

/** Compiles src to lib. TypeScript keeps the folders of the project, and brings along the JSON that is imported. */
function compile(into: string): void {
  const emitted = join(into, "emitted");
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const { status, stdout, error } = spawnSync(
    tsc,
    ["-p", join(ROOT, "tsconfig.package.json"), "--noEmitOnError", "--outDir", emitted],
    { cwd: ROOT, encoding: "utf8" },
  );
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`the sources do not compile:\n${stdout}`);
  renameSync(join(emitted, "src"), join(into, LIB));
  rmSync(emitted, { recursive: true });
  for (const name of readdirSync(join(into, LIB), { encoding: "utf8", recursive: true })) {
    if (/\.(?:js|d\.ts)$/.test(name)) finish(join(into, LIB, name));
  }
  finishExecutable(join(into, LIB, EXECUTABLE));
}

/** TypeScript rewrites the endings of imports, but not in declarations and not in `import.meta.resolve`. */
function finish(file: string): void {
  const written = readFileSync(file, "utf8");
  const pattern = file.endsWith(".d.ts")
    ? /(?<=\b(?:from |import |import\()"\.[^"]*\.)ts(?=")/g
    : /(?<=\bimport\.meta\.resolve\("\.[^"]*\.)ts(?=")/g;
  const finished = written.replace(pattern, "js");
  const left = /^(?!\s*(?:\*|\/\/)).*\b(?:from|import|resolve|URL)\b[ (]*("\.{1,2}\/[^"\n]*\.ts")/m.exec(finished);
  if (left !== null) throw new Error(`${file} still names the source ${left[1]}: scripts/package.ts must rewrite that`);
  if (finished !== written) writeFileSync(file, finished);
}

/** From source Bun runs it; the package is for any of the three, and what npm installs is started with Node. */
function finishExecutable(file: string): void {
  const [first = "", ...rest] = readFileSync(file, "utf8").split("\n");
  if (!first.startsWith("#!")) throw new Error(`${file} does not begin with #!`);
  writeFileSync(file, ["#!/usr/bin/env node", ...rest].join("\n"));
  chmodSync(file, 0o755);
}

function packageManifest({ name, version, description, license, engines, exports, dependencies }: Manifest): object {
  const compiled = Object.entries(exports).map(([subpath, source]) => {
    const base = source.replace(/^\.\/src\/(.+)\.ts$/, `./${LIB}/$1`);
    if (base === source) throw new Error(`package.json: expected the export ${subpath} below ./src, got ${source}`);
    return [subpath, { types: `${base}.d.ts`, default: `${base}.js` }];
  });
  return {
    name,
    version,
    description,
    license,
    type: "module",
    engines,
    bin: { [name]: `${LIB}/${EXECUTABLE}` },
    exports: Object.fromEntries(compiled),
    files: [LIB, PAGE, ...TEXTS],
    dependencies,
  };
}

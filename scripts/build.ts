/**
 * Builds the executable for this machine: `bun scripts/build.ts [OUTFILE]`, by default dist/taskexe.
 * The version comes in with package.json, the assets of the page with dist/page.txt, which is made first. Identifiers
 * are never minified: class names stand in logs and records.
 * The file is put in place whole, by a rename, so an executable that runs meanwhile is not disturbed.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const outfile = resolve(process.argv[2] ?? join(root, "dist/taskexe"));

mkdirSync(dirname(outfile), { recursive: true });
const page = spawnSync(process.execPath, [join(root, "scripts/page.ts")], { cwd: root, encoding: "utf8" });
if (page.status !== 0) {
  process.stderr.write(`${page.stdout}${page.stderr}\nbuild: the assets of the page could not be made\n`);
  process.exit(1);
}
// Source maps are embedded; the copies that the compiler also writes beside its output go with this folder.
const aside = mkdtempSync(join(dirname(outfile), ".build-"));
try {
  const built = spawnSync(
    process.execPath,
    [
      "build",
      "--compile",
      "--minify-syntax",
      "--minify-whitespace",
      "--sourcemap",
      // Parsed at build time: the version is answered in milliseconds. Modules, since CommonJS has no top-level await.
      "--bytecode",
      "--format=esm",
      "--splitting",
      // The executable must not run or read what lies in the folder it is started in. A tsconfig.json there, or in any
      // folder above, could even map a handler file to another file.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      "--no-compile-autoload-tsconfig",
      // Without it the packages beside handlers have no entry but an index.js: no main, no exports, no #imports.
      "--compile-autoload-package-json",
      // Without this the value at build time would be baked in.
      "--define",
      "process.env.NODE_ENV=process.env.NODE_ENV",
      join(root, "src/main.ts"),
      // What runs first in Workers: the executable starts it by its path, so it is an entry of its own.
      join(root, "src/provide/thread.ts"),
      "--outfile",
      join(aside, "taskexe"),
    ],
    { cwd: root, encoding: "utf8" },
  );
  if (built.status !== 0) {
    process.stderr.write(`${built.stdout}${built.stderr}\nbuild: the executable could not be made\n`);
    process.exitCode = 1;
  } else {
    renameSync(join(aside, "taskexe"), outfile);
    process.stdout.write(`${outfile} (${(statSync(outfile).size / 1024 / 1024).toFixed(0)} MB)\n`);
  }
} finally {
  rmSync(aside, { recursive: true, force: true });
}

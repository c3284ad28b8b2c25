/**
 * Imports one handler file by its path, whatever characters are in its name. Bun reads `?` in a path as the beginning
 * of a query and a backslash as a slash, even where a file URL has them escaped: there such a file is handed over by a
 * plugin. Node refuses the backslash; its resolve hook (provide/node.ts) lets it pass.
 */
import { readFile } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { pathToFileURL } from "node:url";
import { runtime } from "../../runtime/index.ts";

/** Thrown where a file cannot be imported for its name, or that of a folder above it; says what to rename. */
export class FileNameError extends Error {
  override readonly name = "FileNameError";
  readonly advice: string;

  constructor(message: string, advice: string) {
    super(message);
    this.advice = advice;
  }
}

type Loader = "ts" | "tsx" | "js" | "jsx";

const MISREAD_BY_BUN = /[?\\]/;
const COMMON_JS = /\.c[jt]s$/;
const offered = new Set<string>();

/** @throws FileNameError; whatever the file's own code throws. */
export async function importFile(file: string): Promise<Readonly<Record<string, unknown>>> {
  if (runtime.name !== "bun" || !MISREAD_BY_BUN.test(file)) return import(pathToFileURL(file).href);
  if (MISREAD_BY_BUN.test(dirname(file))) {
    throw new FileNameError(
      "the path of its folder has a ? or a \\, which Bun does not import from",
      "rename the folder",
    );
  }
  if (COMMON_JS.test(file)) {
    throw new FileNameError("its name has a ? or a \\, which Bun does not import as CommonJS", "rename the file");
  }
  offerToBun(file);
  return import(file);
}

/** Only these files go through the plugin: what others import with a query stays as Bun has it. */
function offerToBun(file: string): void {
  if (offered.has(file)) return;
  offered.add(file);
  const filter = new RegExp(`^${RegExp.escape(file)}$`);
  Bun.plugin({
    name: "taskexe handler file",
    setup(build) {
      build.onResolve({ filter }, ({ path }) => ({ path }));
      build.onLoad({ filter }, async ({ path }) => ({
        contents: await readFile(path, "utf8"),
        loader: loaderOf(path),
      }));
    },
  });
}

function loaderOf(path: string): Loader {
  const loader = extname(path).slice(1).replace(/^[cm]/, "");
  return loader === "ts" || loader === "tsx" || loader === "jsx" ? loader : "js";
}

/** The executable, built as `make build` builds it, for tests of what only the executable does or must not do. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds it as that file, which the caller removes; gives the file. It takes about 2 s. `make test` has just built one
 * from the same sources, and names it: that is copied.
 */
export async function buildExecutable(outfile: string): Promise<string> {
  const { BUILT_EXECUTABLE } = process.env;
  if (BUILT_EXECUTABLE) {
    await mkdir(dirname(outfile), { recursive: true });
    await copyFile(BUILT_EXECUTABLE, outfile);
    return outfile;
  }
  await build("scripts/build.ts", outfile);
  return outfile;
}

/** The page's assets, where executors that run from source find them. */
export async function buildPage(): Promise<void> {
  await build("scripts/page.ts");
}

async function build(...script: readonly string[]): Promise<void> {
  const bun = join(ROOT, "node_modules/.bin/bun");
  const built = spawn(bun, script, { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  built.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [code] = await once(built, "close");
  if (code !== 0) throw new Error(`${script[0]} could not build: ${said}`);
}

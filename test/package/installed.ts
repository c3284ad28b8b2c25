/**
 * The package as somebody has it: made, packed by npm, unpacked below the node_modules of a project of its own. What it
 * depends on is linked from this repository, so nothing is fetched.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const FIXTURES = join(import.meta.dirname, "fixtures");
const LIMIT_MS = 60_000;

/** Where an installed tool of the repository is. */
export const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What of the package's own package.json is looked at here. */
export interface Manifest {
  readonly version: string;
  readonly bin: { readonly taskexe: string };
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

export class InstalledPackage {
  /** Everything lies below it, the projects and the state of what runs. */
  readonly folder: string;
  /** The project that has it installed. */
  readonly project: string;
  readonly manifest: Manifest;

  private constructor(folder: string, project: string, manifest: Manifest) {
    this.folder = folder;
    this.project = project;
    this.manifest = manifest;
  }

  static async make(): Promise<InstalledPackage> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "taskexe-package-")));
    try {
      const project = join(folder, "project");
      await unpack(await pack(folder), join(project, "node_modules/taskexe"));
      const manifest: Manifest = JSON.parse(await readFile(join(project, "node_modules/taskexe/package.json"), "utf8"));
      await furnish(project, manifest);
      return new InstalledPackage(folder, project, manifest);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The path of something in the package. */
  inside(path: string): string {
    return join(this.project, "node_modules/taskexe", path);
  }

  /** Runs a command in the project, or in a folder of it, with a state folder of its own. */
  run(command: string, args: readonly string[], folder = "."): Promise<Finished> {
    return finish(command, args, join(this.project, folder), {
      HOME: this.folder,
      STATE_DIRECTORY: join(this.folder, "state"),
      // `#!/usr/bin/env node` must find the Node that is tested.
      PATH: `${dirname(bin("node"))}:${process.env.PATH}`,
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
    });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Runs scripts/package.ts. */
export function makeInto(folder: string): Promise<Finished> {
  return finish(bin("bun"), [join(ROOT, "scripts/package.ts"), folder], ROOT, {});
}

async function pack(folder: string): Promise<string> {
  const made = join(folder, "made");
  const { code, stderr } = await makeInto(made);
  assert.equal(code, 0, stderr);
  const tarballs = join(folder, "tarballs");
  await mkdir(tarballs);
  const packed = await finish("npm", ["pack", "--pack-destination", tarballs], made, {
    npm_config_offline: "true",
    npm_config_update_notifier: "false",
    npm_config_cache: join(folder, "npm-cache"),
  });
  assert.equal(packed.code, 0, packed.stderr);
  const [tarball = "", ...more] = await readdir(tarballs);
  assert.deepEqual(more, []);
  return join(tarballs, tarball);
}

async function unpack(tarball: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const { code, stderr } = await finish("tar", ["-xzf", tarball, "-C", dirname(target)], dirname(target), {});
  assert.equal(code, 0, stderr);
  await rename(join(dirname(target), "package"), target);
}

/** What npm would do beside unpacking, and the files of somebody's project. */
async function furnish(project: string, { bin: { taskexe }, dependencies }: Manifest): Promise<void> {
  const modules = join(project, "node_modules");
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(ROOT, "node_modules", name), join(modules, name));
  }
  await mkdir(join(modules, ".bin"));
  await symlink(join("../taskexe", taskexe), join(modules, ".bin/taskexe"));
  const manifest = { name: "somebodys", private: true, type: "module", dependencies: { taskexe: "*", valibot: "*" } };
  await writeFile(join(project, "package.json"), JSON.stringify(manifest));
  for (const name of ["program.ts", "types.ts"]) await copyFile(join(FIXTURES, name), join(project, name));
  // Handlers may lie anywhere: here, with no node_modules beside or above them.
  await mkdir(join(project, "../handlers"));
  await copyFile(join(FIXTURES, "hello.ts"), join(project, "../handlers/hello.ts"));
}

function finish(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Finished> {
  return new Promise((answer) => {
    const options = { cwd, env: { PATH: process.env.PATH, ...env }, timeout: LIMIT_MS, killSignal: "SIGKILL" } as const;
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      answer({ code, stdout, stderr: error === null || code > 0 ? stderr : `${stderr}${error.message}` });
    });
  });
}

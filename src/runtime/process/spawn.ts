/**
 * Child processes: never through a shell, each the leader of its own process group, so that one signal reaches the
 * child and all it started. When to signal, and what the output means, is the caller's.
 */

import type { ChildProcess } from "node:child_process";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import type { ChildExit, ChildPipes, ChildProcessHandle, PipedChildHandle, SpawnOptions } from "../runtime.ts";
import { pipesOf } from "./child-pipes.ts";
import { forgetChild, noteChild } from "./children.ts";

/** Beside the usual three: descriptors 3 and 4. */
const PIPES = ["pipe", "pipe"] as const;

/**
 * Starts `command` (a path, or a name looked up in PATH) with `args` and resolves once it runs.
 * Rejects with an Error that names the command when it cannot be started: not found, not executable, no such folder.
 */
export function spawn(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { readonly pipes: true },
): Promise<PipedChildHandle>;
export function spawn(command: string, args: readonly string[], options?: SpawnOptions): Promise<ChildProcessHandle>;
export async function spawn(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<ChildProcessHandle & { readonly pipes?: ChildPipes }> {
  const { spawn: start } = process.getBuiltinModule("node:child_process");
  const { Readable } = process.getBuiltinModule("node:stream");
  try {
    const child = start(command, args, {
      detached: true,
      stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", ...(options.pipes ? PIPES : [])],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
    });
    const { pid } = child;
    if (pid !== undefined) noteChild(pid);
    const exited = new Promise<ChildExit>((resolve) => {
      child.once("exit", (code, signal) => {
        if (pid !== undefined) forgetChild(pid);
        resolve({ code, signal });
      });
    });
    await started(child);
    const { stdin, stdout, stderr } = child;
    if (pid === undefined || stdout === null || stderr === null) throw new Error("it has no pid or no output");

    // A child may end before it has read its input (EPIPE): how it ended is told by its exit.
    stdin?.on("error", () => {});
    stdin?.end(options.stdin);
    return {
      pid,
      stdout: bytes(Readable.toWeb(stdout)),
      stderr: bytes(Readable.toWeb(stderr)),
      exited,
      killGroup: groupKiller(pid),
      ...(options.pipes ? { pipes: pipesOf(child.stdio) } : {}),
    };
  } catch (error) {
    throw await cannotStart(command, options.cwd, error);
  }
}

/** Rejects where it could not be started. One that has a pid runs: no event is waited for. */
function started(child: ChildProcess): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    // Stays for good: a later "error" without a listener would end this process.
    child.on("error", reject);
    if (child.pid !== undefined) resolve();
  });
}

/** The same class by two names: node's types and the DOM's know nothing of each other. */
function bytes(stream: NodeReadableStream): ReadableStream<Uint8Array> {
  return stream as unknown as ReadableStream<Uint8Array>;
}

function groupKiller(pid: number): ChildProcessHandle["killGroup"] {
  let gone = false;
  return (signal) => {
    // Once the group was seen empty its number may be given to strangers: never signal it again.
    if (gone) return false;
    try {
      process.kill(-pid, signal);
      return true;
    } catch (error) {
      if (codeOf(error) !== "ESRCH") throw error;
      gone = true;
      return false;
    }
  };
}

async function cannotStart(command: string, cwd: string | undefined, cause: unknown): Promise<Error> {
  return new Error(`The command ${JSON.stringify(command)} cannot be started: ${await why(command, cwd, cause)}`, {
    cause,
  });
}

async function why(command: string, cwd: string | undefined, cause: unknown): Promise<string> {
  const code = codeOf(cause);
  // The runtimes report a missing folder as a missing command.
  if (cwd !== undefined && !(await isFolder(cwd))) return `its working folder ${cwd} is not there`;
  if (code === "ENOENT" && command.includes("/")) return "there is no such file, or its interpreter (#!) is missing";
  if (code === "ENOENT") return "it is not in PATH. Install it, or give its full path";
  if (code === "EACCES") return "it may not be executed by this user. Check its mode (chmod +x)";
  if (code === "E2BIG") return "its arguments and environment are too long. Pass large data on standard input";
  return cause instanceof Error ? cause.message : String(cause);
}

async function isFolder(path: string): Promise<boolean> {
  const { stat } = process.getBuiltinModule("node:fs/promises");
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

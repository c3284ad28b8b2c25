/** Runs the program as a user would: a real process with an environment and a state directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export const ROOT = resolve(import.meta.dirname, "../..");
const MAIN = join(ROOT, "src/main.ts");
export const BUN = join(ROOT, "node_modules/.bin/bun");
const LIMIT_MS = 30_000;

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that runs; its output so far, and its end. */
export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Finished>;
  output(): string;
  /** Resolves with the match once the output (both streams) has it; rejects when the process ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
}

/** A temporary state directory with everything that runs in it; `close` ends and removes all of it. */
export class Bench {
  readonly folder: string = mkdtempSync(join(tmpdir(), "taskexe-cli-"));
  readonly #living = new Set<ChildProcess>();

  start(given: readonly string[], options: { env?: Record<string, string>; input?: string } = {}): Running {
    const { PATH = "" } = process.env;
    const child = spawn(BUN, [MAIN, ...given], {
      cwd: this.folder,
      env: { PATH, HOME: join(this.folder, "home"), STATE_DIRECTORY: join(this.folder, "state"), ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#living.add(child);
    return watch(child, options.input, () => this.#living.delete(child));
  }

  /** Runs a command to its end. */
  async run(given: readonly string[], options?: { env?: Record<string, string>; input?: string }): Promise<Finished> {
    const running = this.start(given, options);
    const limit = AbortSignal.timeout(LIMIT_MS);
    const tooLong = once(limit, "abort").then(() => {
      running.process.kill("SIGKILL");
      throw new Error(`taskexe ${given.join(" ")} did not end:\n${running.output()}`);
    });
    return Promise.race([running.ended, tooLong]);
  }

  /** Runs `status`, again where nobody answered it in time: the machine may have stood still. */
  async status(given: readonly string[], options?: { env?: Record<string, string> }): Promise<Finished> {
    for (let again = 5; ; again--) {
      const finished = await this.run(["status", ...given], options);
      if (again === 0 || !finished.stderr.includes("no answer within 2 s")) return finished;
    }
  }

  /** An executor that listens on a free port and claims tasks. */
  async executor(given: readonly string[] = [], env?: Record<string, string>): Promise<Running & { url: string }> {
    const running = this.start(["run", "--listen", "127.0.0.1:0", ...given], env === undefined ? {} : { env });
    const url = await addressOf(running);
    await until(async () => (await fetch(`${url}/readyz`)).ok);
    return { ...running, url };
  }

  async close(): Promise<void> {
    for (const child of this.#living) {
      // Gone, but its output is not read to the end yet: its exit has been told.
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Where an executor listens, once its line is there as a whole. */
export async function addressOf(executor: Running): Promise<string> {
  const [, url = ""] = await executor.says(/HTTP on (http:\/\/[\d.:]+)[^\d.:]/);
  return url;
}

/** Polls a condition of another process until it holds; fails after a bound. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + LIMIT_MS;
  while (!(await holds())) {
    if (performance.now() > limit) throw new Error(`it did not come true within ${LIMIT_MS} ms: ${holds}`);
    await pause(20);
  }
}

function watch(child: ChildProcess, input: string | undefined, gone: () => void): Running {
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  const tell = () => {
    for (const look of waiting) look();
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    tell();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    tell();
  });
  // A command that does not read its input may end before it has taken it.
  child.stdin?.on("error", () => {}).end(input ?? "");
  const ended = once(child, "close").then(([code, signal]): Finished => {
    gone();
    return { stdout, stderr, code, signal };
  });
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    const { promise, resolve: found, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = () => {
      const match = pattern.exec(stdout + stderr);
      if (match) found(match);
    };
    waiting.add(look);
    ended.then(() => reject(new Error(`it ended without saying ${pattern}:\n${stdout}${stderr}`)), reject);
    look();
    try {
      return await promise;
    } finally {
      waiting.delete(look);
    }
  };
  return { process: child, ended, output: () => stdout + stderr, says };
}

/**
 * Real executor processes for tests: `taskexe run` on a free port, from source or, where TASKEXE_BIN names one, from
 * the executable. Each has a folder of its own for its state and is killed by its pid when its test is over.
 */

import { request } from "node:http";
import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ExecutorStatus } from "../../src/executor/status/status.ts";
import { runtime } from "../../src/runtime/index.ts";
import type { ChildExit, ChildProcessHandle } from "../../src/runtime/runtime.ts";
import { until } from "./until.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** How long an executor may take until it listens, and until it is ready, on a machine with much else to do. */
const START_LIMIT_MS = 30_000;
/** How long an HTTP answer may take. */
const ANSWER_LIMIT_MS = 15_000;
/** How long the rest of its output may take after its end: something that it started may hold the pipe open. */
const LAST_OUTPUT_MS = 5_000;

export interface ExecutorProcessOptions {
  readonly broker: string;
  /** False: the executor is told its broker otherwise, by a file or the environment. */
  readonly brokerFlag?: boolean;
  /** Where it keeps its state. */
  readonly folder: string;
  readonly tasks?: string;
  readonly name?: string;
  readonly concurrency?: number;
  /** Durations as the flags take them. */
  readonly lease?: string;
  readonly grace?: string;
  /** More flags. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The command that is taskexe, with its first arguments; default: as commandLine() says. */
  readonly program?: readonly [string, ...string[]];
  /** Where it is started; default: its folder. */
  readonly cwd?: string;
  /** False: do not wait until it is ready, only until it listens. */
  readonly ready?: boolean;
}

/** An HTTP answer. */
export interface Answer {
  readonly code: number;
  readonly body: string;
  /** How long it took, in ms. */
  readonly ms: number;
}

export class ExecutorProcess {
  readonly #child: ChildProcessHandle;
  readonly #exit: Promise<ChildExit>;
  #log = "";
  #ended = false;

  private constructor(child: ChildProcessHandle) {
    this.#child = child;
    this.#exit = this.#ending([this.#read(child.stderr), this.#read(child.stdout)]);
  }

  static async start(options: ExecutorProcessOptions): Promise<ExecutorProcess> {
    const [command, ...before] = options.program ?? commandLine();
    const { STATE_DIRECTORY: _, ...inherited } = process.env;
    const env = { ...definedOnly(inherited), STATE_DIRECTORY: options.folder, NO_COLOR: "1", ...options.env };
    const cwd = options.cwd ?? options.folder;
    const child = await runtime.spawn(command, [...before, "run", ...flagsOf(options)], { cwd, env });
    const started = new ExecutorProcess(child);
    try {
      await until("the executor listens", START_LIMIT_MS, () => started.#ended || started.port > 0);
      if (options.ready !== false) {
        await until("the executor is ready", START_LIMIT_MS, async () => {
          return started.#ended || (await started.get("/readyz")).code === 200;
        });
      }
      if (started.#ended) throw new Error("it ended");
    } catch (error) {
      await started.end();
      throw new Error(`the executor did not start:\n${started.log()}`, { cause: error });
    }
    return started;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resolves when the process has ended and its log is whole. */
  get exit(): Promise<ChildExit> {
    return this.#exit;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  get port(): number {
    // With what comes behind it: the log arrives in pieces, and one may end within the number.
    return Number(/HTTP on http:\/\/127\.0\.0\.1:(\d+)\D/.exec(this.#log)?.[1] ?? 0);
  }

  /** Everything it logged so far. */
  log(): string {
    return this.#log;
  }

  kill(signal: "SIGKILL" | "SIGHUP" | "SIGTERM" | "SIGINT" | "SIGSTOP" | "SIGCONT" | "SIGUSR1" | "SIGUSR2"): void {
    process.kill(this.pid, signal);
  }

  get(path: string): Promise<Answer> {
    const begun = performance.now();
    return new Promise((answer, fail) => {
      const asked = request({ host: "127.0.0.1", port: this.port, path, agent: false, timeout: ANSWER_LIMIT_MS });
      asked.on("response", (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          body += part;
        });
        response.on("error", fail);
        response.on("end", () => answer({ code: response.statusCode ?? 0, body, ms: performance.now() - begun }));
      });
      asked.on("timeout", () => asked.destroy(new Error(`${path} was not answered within ${ANSWER_LIMIT_MS} ms`)));
      asked.on("error", fail);
      asked.end();
    });
  }

  async status(): Promise<ExecutorStatus> {
    const { code, body } = await this.get("/status");
    if (code !== 200) throw new Error(`/status answered ${code}: ${body}`);
    return JSON.parse(body);
  }

  /** How many attempts it runs just now. */
  async busySlots(): Promise<number> {
    const { current, current_left_out: more = 0 } = await this.status();
    return Object.keys(current).length + more;
  }

  /** Kills it, if it still lives, and waits for its end. */
  async end(): Promise<void> {
    this.#child.killGroup("SIGKILL");
    await this.exit;
  }

  /** The end of a process may be told before its last words are read. */
  async #ending(outputs: readonly Promise<void>[]): Promise<ChildExit> {
    const exit = await this.#child.exited;
    await Promise.race([Promise.all(outputs), pause(LAST_OUTPUT_MS, undefined, { ref: false })]);
    this.#ended = true;
    return exit;
  }

  // Ends with the stream, which ends with the process.
  #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    const write = new WritableStream<Uint8Array>({
      write: (chunk) => {
        this.#log += decoder.decode(chunk, { stream: true });
      },
    });
    return stream.pipeTo(write).catch((error: unknown) => {
      this.#log += `\n(the log broke off: ${String(error)})\n`;
    });
  }
}

/** The command that is taskexe. */
export function commandLine(): [string, ...string[]] {
  const { TASKEXE_BIN } = process.env;
  if (TASKEXE_BIN) return [resolve(ROOT, TASKEXE_BIN)];
  return [resolve(ROOT, "node_modules/.bin/bun"), resolve(ROOT, "src/main.ts")];
}

function flagsOf(options: ExecutorProcessOptions): string[] {
  const flags = ["--listen", "127.0.0.1:0"];
  const add = (name: string, value: string | number | undefined) => {
    if (value !== undefined) flags.push(name, String(value));
  };
  if (options.brokerFlag !== false) add("--broker", options.broker);
  add("--tasks", options.tasks);
  add("--name", options.name);
  add("--concurrency", options.concurrency);
  add("--lease", options.lease);
  add("--grace", options.grace);
  return [...flags, ...(options.args ?? [])];
}

function definedOnly(environment: NodeJS.ProcessEnv): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) defined[name] = value;
  return defined;
}

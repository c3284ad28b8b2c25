/**
 * Real executor processes for tests: `taskexe run` on a free port. Each keeps its state in a folder of its own and is
 * killed by its pid, with all that it started, when its test is over.
 */
import { request } from "node:http";

import type { ExecutorStatus } from "../../src/executor/status/status.ts";
import { Command, commandLine } from "./command.ts";
import { until } from "./until.ts";

/** How long an executor, and the runner that it starts, may take until it listens and is ready, on a busy machine. */
const START_LIMIT_MS = 60_000;
/** How long an HTTP answer may take. */
const ANSWER_LIMIT_MS = 15_000;

export interface ExecutorOptions {
  /** Default: no flag says it; a file or the environment may, or it is the embedded queue. */
  readonly broker?: string | undefined;
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
  /** What it has in its environment beside PATH, HOME and STATE_DIRECTORY. */
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

export class ExecutorProcess extends Command {
  static async start(options: ExecutorOptions): Promise<ExecutorProcess> {
    const { folder, program: [command, ...before] = commandLine(), cwd = folder, ready = true } = options;
    const env = { ...surroundings(), STATE_DIRECTORY: folder, NO_COLOR: "1", ...options.env };
    const line = [command, ...before, "run", ...flagsOf(options)] as const;
    const started = new ExecutorProcess(line, { cwd, env, isGroup: true });
    try {
      await until("the executor listens", START_LIMIT_MS, () => started.hasEnded || started.port > 0);
      if (ready) {
        await until("the executor is ready", START_LIMIT_MS, async () => {
          return started.hasEnded || (await started.get("/readyz")).code === 200;
        });
      }
      if (started.hasEnded) throw new Error("it ended");
    } catch (error) {
      await started.end();
      throw new Error(`the executor did not start:\n${started.output()}`, { cause: error });
    }
    return started;
  }

  get port(): number {
    // With what comes behind it: the log arrives in pieces, and one may end within the number.
    return Number(/HTTP on http:\/\/127\.0\.0\.1:(\d+)\D/.exec(this.output())?.[1] ?? 0);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
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
}

/** Asks the executor to drain; gives its exit code. */
export async function drained(executor: ExecutorProcess): Promise<number | null> {
  executor.kill("SIGTERM");
  return (await executor.ended).code;
}

/** What of the environment of the tests a program of a test gets. */
export function surroundings(): { PATH: string; HOME: string } {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME };
}

function flagsOf(options: ExecutorOptions): string[] {
  const flags = ["--listen", "127.0.0.1:0"];
  const add = (name: string, value: string | number | undefined) => {
    if (value !== undefined) flags.push(name, String(value));
  };
  add("--broker", options.broker);
  add("--tasks", options.tasks);
  add("--name", options.name);
  add("--concurrency", options.concurrency);
  add("--lease", options.lease);
  add("--grace", options.grace);
  return [...flags, ...(options.args ?? [])];
}

/**
 * What the tests of real processes stand on: a folder of their own, a Redis server with the real redis-cli, executors
 * and single commands. Everything that is started here is ended by its pid when the block ends, the last one first.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/open-broker.ts";
import type { TaskRecord } from "../../src/task/record.ts";
import type { TaskState } from "../../src/task/state.ts";
import { commandLine, ExecutorProcess, type ExecutorProcessOptions } from "../support/executor-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { isThere, until } from "../support/until.ts";

export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** How long anything may take that another process does, in ms: the machine may be busy. */
export const PATIENCE_MS = 30_000;
/** For tests that start processes. */
export const SLOW = { timeout: 120_000 };

export interface RedisServer {
  readonly url: string;
  /** Runs the real redis-cli on db 1; `stdin` becomes the last argument. Rejects where Redis answers with an error. */
  cli(args: readonly string[], stdin?: string | Buffer): Promise<string>;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly program?: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string | Buffer;
}

export class Place {
  readonly folder: string;
  readonly #ends: (() => Promise<unknown>)[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Place> {
    return new Place(await mkdtemp(join(tmpdir(), "taskexe-place-")));
  }

  /** Makes a place, gives it to `use`, and ends and removes everything. */
  static async with<T>(use: (place: Place) => Promise<T>): Promise<T> {
    const place = await Place.make();
    try {
      return await use(place);
    } finally {
      await place.end();
    }
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Has something done when the block ends. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** Writes files, by their paths in this place; gives the path of the folder of the first one. */
  async write(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.folder, name)), { recursive: true });
      await writeFile(join(this.folder, name), text);
    }
    return dirname(join(this.folder, Object.keys(files)[0] ?? "."));
  }

  /** What stands in a file, by its path in this place. */
  read(name: string): Promise<string> {
    return readFile(join(this.folder, name), "utf8");
  }

  async redis(): Promise<RedisServer> {
    const { url, port, stop } = await startRedis();
    this.#ends.push(stop);
    const cli = async (args: readonly string[], stdin?: string | Buffer): Promise<string> => {
      const input = stdin === undefined ? [] : ["-x"];
      const all = ["-e", "-p", String(port), "-n", "1", ...input, ...args];
      const { code, stdout, stderr } = await runToEnd("redis-cli", all, { stdin });
      if (code !== 0) throw new Error(`redis-cli ${args.join(" ").slice(0, 200)}: ${stdout}${stderr}`);
      return stdout.replace(/\n$/, "");
    };
    return { url, cli };
  }

  /** Starts an executor and waits until it is ready. */
  async executor(
    broker: string,
    options: Omit<Partial<ExecutorProcessOptions>, "broker"> = {},
  ): Promise<ExecutorProcess> {
    const folder = join(this.folder, "state");
    await mkdir(folder, { recursive: true });
    const executor = await ExecutorProcess.start({ folder, ...options, broker });
    this.#ends.push(() => executor.end());
    return executor;
  }

  /** Runs one command of taskexe to its end. */
  async run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    const [command, ...before] = options.program ?? commandLine();
    const { PATH = "", HOME = "" } = process.env;
    const env = { PATH, HOME, STATE_DIRECTORY: join(this.folder, "state"), ...options.env };
    return runToEnd(command, [...before, ...args], { cwd: options.cwd ?? this.folder, env, stdin: options.stdin });
  }

  /** A client of a broker, in this process. With a name it can lock and beat as an executor does. */
  async client(url: string, executor: string | null = null): Promise<Broker> {
    const broker = await createBroker(url, { executor, queues: ["common"], leaseMs: 5_000 });
    this.#ends.push(() => broker.close());
    await broker.open(AbortSignal.timeout(PATIENCE_MS));
    return broker;
  }
}

const ENDED = Symbol("ended");

/** Asks as `until` does, as long as the executor lives, and once more after that: then nothing will come any more. */
export async function untilBy<T>(
  executor: ExecutorProcess,
  what: string,
  ask: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const tail = () => executor.log().slice(-4_000);
  const answer = await until(what, PATIENCE_MS, async () => {
    const hasEnded = executor.hasEnded;
    try {
      const found = await ask();
      if (!hasEnded || isThere(found)) return found;
    } catch (error) {
      if (!hasEnded) throw error;
    }
    return ENDED;
  }).catch((error) => {
    throw new Error(`the executor's log ends with:\n${tail()}`, { cause: error });
  });
  if (answer === ENDED) throw new Error(`the executor ended before ${what}:\n${tail()}`);
  return answer as Exclude<T, false | null | undefined>;
}

/** Waits until the record of a task has this state. */
export async function recordOnce(
  state: TaskState,
  executor: ExecutorProcess,
  broker: Broker,
  id: string,
): Promise<TaskRecord> {
  return untilBy(executor, `${id} is ${state}`, async () => {
    const record = await broker.record(id);
    return record?.state === state && record;
  });
}

/** Waits until the executor's log matches; gives the match. */
export async function said(executor: ExecutorProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return untilBy(executor, `it says ${pattern}`, () => pattern.exec(executor.log()));
}

/** Asks the executor to drain; gives its exit code. */
export async function drained(executor: ExecutorProcess): Promise<number | null> {
  executor.kill("SIGTERM");
  return (await executor.exit).code;
}

function runToEnd(
  command: string,
  args: readonly string[],
  options: {
    readonly stdin?: string | Buffer | undefined;
    readonly cwd?: string;
    readonly env?: Record<string, string>;
  },
): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const { stdin = "", ...where } = options;
  const child = spawn(command, args, { ...where, timeout: PATIENCE_MS, killSignal: "SIGKILL" });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  }
  // A command may end before it has read its input (EPIPE): how it ended is told by its exit.
  child.stdin.on("error", () => {});
  child.stdin.end(stdin);
  child.once("error", reject);
  child.once("close", (code) => resolve({ code, ...written }));
  return promise;
}

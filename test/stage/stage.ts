/**
 * What a test stands on: a folder of its own, and in it files, Redis servers, executors, commands of taskexe, and
 * clients of a broker. Everything that is started here is ended when the block ends, the last one first. Where the
 * block fails, the executors' logs are shown.
 */
import { mkdtempSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { Command, type CommandOptions, commandLine, type Finished } from "./command.ts";
import { type ExecutorOptions, ExecutorProcess } from "./executor.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "./redis/server.ts";

/** For tests that start processes. */
export const SLOW = { timeout: 120_000 };

/** How many lines of an executor's log are shown where a test fails. */
const SHOWN_LINES = 25;

export interface RunOptions extends Pick<CommandOptions, "cwd" | "stdin"> {
  /** The command that is taskexe, with its first arguments; default: as commandLine() says. */
  readonly program?: readonly [string, ...string[]];
  /** What it has in its environment beside PATH, HOME and STATE_DIRECTORY. */
  readonly env?: Readonly<Record<string, string>>;
}

export class Stage {
  /** A folder for whatever the test writes; removed at the end. */
  readonly folder: string = mkdtempSync(join(tmpdir(), "taskexe-stage-"));
  readonly #ends: (() => Promise<unknown>)[] = [];
  readonly #executors: ExecutorProcess[] = [];

  /** For tests that share one; `end` ends it. */
  static make(): Stage {
    return new Stage();
  }

  /** Makes one, gives it to `use`, and ends it, however `use` ends. */
  static async with<S extends Stage, T>(this: new () => S, use: (stage: S) => Promise<T>): Promise<T> {
    const stage = new this();
    try {
      return await use(stage);
    } catch (error) {
      process.stderr.write(`${stage.logs()}\n`);
      throw error;
    } finally {
      await stage.end();
    }
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Has this done at the end, before whatever was started earlier is ended. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** A path inside the folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes files, by their paths in the folder; gives the path of the folder of the first one. */
  async write(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(this.path(name)), { recursive: true });
      await writeFile(this.path(name), text);
    }
    return dirname(this.path(Object.keys(files)[0] ?? "."));
  }

  /** What stands in a file, by its path in the folder. */
  read(name: string): Promise<string> {
    return readFile(this.path(name), "utf8");
  }

  async redis(options?: RedisServerOptions): Promise<RedisServer> {
    const redis = await startRedis(options);
    this.atEnd(() => redis.stop());
    return redis;
  }

  /**
   * Starts an executor and waits until it is ready. It is started in the folder, with its state in `state`; where
   * another folder is given, both are there.
   */
  async executor(options: Partial<ExecutorOptions> = {}): Promise<ExecutorProcess> {
    const { folder = this.path("state"), cwd = options.folder ?? this.folder } = options;
    await mkdir(folder, { recursive: true });
    const executor = await ExecutorProcess.start({ ...options, folder, cwd });
    this.#executors.push(executor);
    this.atEnd(() => executor.end());
    return executor;
  }

  /** Starts one command of taskexe in the folder. */
  start(args: readonly string[], options: RunOptions = {}): Command {
    const { program: [command, ...before] = commandLine(), env, ...rest } = options;
    const { PATH = "" } = process.env;
    const own = { PATH, HOME: this.path("home"), STATE_DIRECTORY: this.path("state") };
    const started = new Command([command, ...before, ...args], { cwd: this.folder, ...rest, env: { ...own, ...env } });
    this.atEnd(() => started.end());
    return started;
  }

  /** Runs one command of taskexe to its end. */
  async run(args: readonly string[], options?: RunOptions): Promise<Finished> {
    return this.start(args, options).finished();
  }

  /** Runs `status`, again where nobody answered it in time: the machine may have stood still. */
  async status(args: readonly string[], options?: RunOptions): Promise<Finished> {
    for (let again = 5; ; again--) {
      const finished = await this.run(["status", ...args], options);
      if (again === 0 || !finished.stderr.includes("no answer within 2 s")) return finished;
    }
  }

  /** A client of a broker, in this process. With a name it can lock and beat as an executor does. */
  async client(url: string, executor: string | null = null, leaseMs = 30_000): Promise<Broker> {
    const broker = await createBroker(url, { executor, queues: ["common"], leaseMs });
    const root = openRoot();
    this.atEnd(async () => {
      root.cancel("the test is over");
      await broker.close();
    });
    await broker.open(root.signal);
    return broker;
  }

  /** The last lines of every executor's log. */
  logs(): string {
    const tail = (text: string) => text.split("\n").slice(-SHOWN_LINES).join("\n");
    return this.#executors.map((executor) => `-- executor ${executor.pid}\n${tail(executor.output())}`).join("\n");
  }
}

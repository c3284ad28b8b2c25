/**
 * A command of a test, as a user would start it: a real process, what it has printed so far, and its end. It is killed
 * by its pid, or with everything it started where it leads a group of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** The repository. */
export const ROOT = resolve(import.meta.dirname, "../..");
export const BUN = join(ROOT, "node_modules/.bin/bun");
/** How long a command that ends by itself may take, in ms: a busy machine, and a runner that it starts. */
const END_LIMIT_MS = 60_000;
/** How long its output may be before the middle is left out, and how much of each end stays, in characters. */
const MOST_OUTPUT = 32_000_000;
const KEPT_OUTPUT = 4_000_000;
/** How long the rest of its output may take after its end: something that it started may hold the pipe open. */
const LAST_OUTPUT_MS = 5_000;

/** The command that is taskexe: from source or, where TASKEXE_BIN names one, the executable. */
export function commandLine(): [string, ...string[]] {
  const { TASKEXE_BIN } = process.env;
  return TASKEXE_BIN ? [resolve(ROOT, TASKEXE_BIN)] : [BUN, join(ROOT, "src/main.ts")];
}

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CommandOptions {
  readonly cwd?: string | undefined;
  /** The whole environment; default: that of the tests. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly stdin?: string | Buffer | undefined;
  /** It leads a group of its own, which `end` kills as a whole. */
  readonly isGroup?: boolean;
}

export class Command {
  readonly process: ChildProcess;
  /** Resolves when the process has ended and its output is whole. */
  readonly ended: Promise<Finished>;
  readonly #isGroup: boolean;
  readonly #looking = new Set<() => void>();
  readonly #written = { stdout: "", stderr: "" };
  #hasEnded = false;

  constructor([command, ...args]: readonly [string, ...string[]], options: CommandOptions = {}) {
    const { cwd, env, stdin = "", isGroup = false } = options;
    const child = spawn(command, args, { cwd, env, detached: isGroup, stdio: ["pipe", "pipe", "pipe"] });
    this.process = child;
    this.#isGroup = isGroup;
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        this.#written[name] = withoutItsMiddle(this.#written[name] + text);
        for (const look of this.#looking) look();
      });
    }
    // A command that does not read its input may end before it has taken it.
    child.stdin.on("error", () => {}).end(stdin);
    this.ended = this.#end();
  }

  /** Runs it to its end. @throws Error where it does not end by itself. */
  static async run(line: readonly [string, ...string[]], options: CommandOptions = {}): Promise<Finished> {
    return new Command(line, options).finished();
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error("the command could not be started");
    return this.process.pid;
  }

  /** How it ended, once it has. */
  get exit(): Promise<Pick<Finished, "code" | "signal">> {
    return this.ended.then(({ code, signal }) => ({ code, signal }));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it has written so far: its output, then its errors. */
  output(): string {
    return this.#written.stdout + this.#written.stderr;
  }

  /** Resolves with the match once the output has it; rejects when the process ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve: found, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = () => {
      const match = pattern.exec(this.output());
      if (match) found(match);
    };
    this.#looking.add(look);
    this.ended.then(() => reject(new Error(`it ended without saying ${pattern}:\n${this.output()}`)), reject);
    look();
    try {
      return await promise;
    } finally {
      this.#looking.delete(look);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Waits until it ends by itself. @throws Error where it does not. */
  async finished(): Promise<Finished> {
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      this.kill("SIGKILL");
    }, END_LIMIT_MS);
    const finished = await this.ended.finally(() => clearTimeout(limit));
    if (isLate) throw new Error(`${this.process.spawnargs.join(" ")} did not end:\n${this.output()}`);
    return finished;
  }

  /** Kills it, if it still lives, and waits for its end. */
  async end(): Promise<void> {
    if (this.#isGroup) killGroup(this.pid);
    else this.kill("SIGKILL");
    await this.ended;
  }

  async #end(): Promise<Finished> {
    const whole = once(this.process, "close");
    const [code, signal] = await once(this.process, "exit");
    await Promise.race([whole, pause(LAST_OUTPUT_MS, undefined, { ref: false })]);
    this.#hasEnded = true;
    return { ...this.#written, code, signal };
  }
}

/** What runs for an hour tells more than anybody reads. */
function withoutItsMiddle(text: string): string {
  return text.length > MOST_OUTPUT ? `${text.slice(0, KEPT_OUTPUT)}\n...\n${text.slice(-KEPT_OUTPUT)}` : text;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // Nobody is left in it.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

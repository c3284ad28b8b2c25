/**
 * A runner as an executor starts it: a process with the descriptors 3 and 4, what it says as messages, and what it is
 * to be told. Ended with the stage.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { encodeRun, encodeToRunner } from "../../src/runner-protocol/encode.ts";
import { Faults } from "../../src/runner-protocol/faults.ts";
import { READ_DESCRIPTOR, WRITE_DESCRIPTOR } from "../../src/runner-protocol/limits.ts";
import { MessageReader } from "../../src/runner-protocol/message-reader.ts";
import type { FromRunner, ToRunner } from "../../src/runner-protocol/messages.ts";
import { commandLine } from "./command.ts";
import type { Stage } from "./stage.ts";

type Kind = FromRunner["kind"];
export type Said<K extends Kind> = Extract<FromRunner, { kind: K }>;

/** An attempt to hand over; whatever is absent is as for a first attempt without a payload. */
export interface RunToStart {
  readonly type: string;
  readonly payload?: unknown;
  readonly id?: string;
  readonly attempt?: number;
  readonly asksForDelay?: boolean;
  /** The whole message of another producer. */
  readonly message?: unknown;
}

export class RunnerProcess {
  readonly process: ChildProcess;
  /** All that it has said so far. */
  readonly said: FromRunner[] = [];
  /** How it ended. */
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly #toRunner: Writable;
  readonly #looking = new Set<() => void>();
  readonly #written = { stdout: "", stderr: "" };
  #ended: string | null = null;
  #run = 0;
  #ask = 0;

  /** Starts it with these files. */
  static start(stage: Stage, files: readonly string[], program = commandLine()): RunnerProcess {
    const runner = new RunnerProcess([...program, "runner", ...files], stage.folder);
    stage.atEnd(() => runner.end());
    return runner;
  }

  private constructor([command, ...args]: readonly [string, ...string[]], cwd: string) {
    const pipes = ["ignore", "pipe", "pipe", "pipe", "pipe"] as const;
    const child = spawn(command, args, { cwd, stdio: [...pipes] });
    this.process = child;
    this.#toRunner = child.stdio[READ_DESCRIPTOR] as Writable;
    // It may have ended: its exit tells.
    this.#toRunner.on("error", () => {});
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this.#written[name] += text;
        this.#look();
      });
    }
    const reader = new MessageReader("fromRunner", new Faults((what) => assert.fail(`the runner: ${what}`)));
    (child.stdio[WRITE_DESCRIPTOR] as Readable).on("data", (bytes: Buffer) => {
      this.said.push(...reader.read(bytes));
      this.#look();
    });
    this.exit = once(child, "close").then(([code, signal]) => {
      this.#ended = `it ended with ${signal ?? code}`;
      this.#look();
      return { code, signal };
    });
  }

  get stdout(): string {
    return this.#written.stdout;
  }

  get stderr(): string {
    return this.#written.stderr;
  }

  /** Its pid. */
  get pid(): number {
    if (this.process.pid === undefined) throw new Error("the runner could not be started");
    return this.process.pid;
  }

  hello(): Promise<Said<"hello">> {
    return this.says("hello", () => true);
  }

  /** Hands a run over; gives its number. */
  run({ type, payload, id = `task-${this.#run + 1}`, attempt = 1, asksForDelay = false, message }: RunToStart): number {
    const run = ++this.#run;
    const text =
      message === undefined ? { payload: JSON.stringify(payload ?? null) } : { message: JSON.stringify(message) };
    const task = { id, type, queue: "common", priority: 0, queued_at: 1_000 };
    this.send(encodeRun({ run, task, attempt, crashes: 0, asks_for_delay: asksForDelay, text }));
    return run;
  }

  cancel(run: number, reason: Extract<ToRunner, { kind: "cancel" }>["reason"]): void {
    this.tell({ kind: "cancel", run, reason, grace_ms: 1_000 });
  }

  /** Asks a question; gives the answer. */
  async ask(question: { readonly kind: "ping" | "tree" } | Record<string, unknown>): Promise<Said<"answer">> {
    const ask = ++this.#ask;
    this.send(`${JSON.stringify({ ...question, ask })}\n`);
    return this.says("answer", (answer) => answer.ask === ask);
  }

  tell(message: Exclude<ToRunner, { kind: "run" }>): void {
    this.send(encodeToRunner(message));
  }

  /** Writes to its descriptor 3. */
  send(text: string): void {
    this.#toRunner.write(text);
  }

  /** Lets it find the end of file. */
  close(): void {
    this.#toRunner.end();
  }

  /** How a run ended. */
  async ending(run: number): Promise<Said<"done" | "failed" | "stopped">> {
    const isEnding = (message: FromRunner): message is Said<"done" | "failed" | "stopped"> =>
      (message.kind === "done" || message.kind === "failed" || message.kind === "stopped") && message.run === run;
    return this.#until(() => this.said.find(isEnding), `the end of run ${run}`);
  }

  /** Waits until it has said such a message. */
  says<K extends Kind>(kind: K, isWanted: (message: Said<K>) => boolean = () => true): Promise<Said<K>> {
    const isIt = (message: FromRunner): message is Said<K> => message.kind === kind && isWanted(message as Said<K>);
    return this.#until(() => this.said.find(isIt), kind);
  }

  /** Waits until its standard output has this. */
  prints(text: string): Promise<true> {
    return this.#until(() => this.stdout.includes(text) || undefined, JSON.stringify(text));
  }

  async end(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exit;
  }

  #look(): void {
    for (const look of this.#looking) look();
  }

  async #until<T>(found: () => T | undefined, what: string): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const look = () => {
      const value = found();
      if (value !== undefined) resolve(value);
      else if (this.#ended !== null) reject(new Error(`${this.#ended} before ${what}:\n${this.stderr}`));
    };
    this.#looking.add(look);
    look();
    try {
      return await promise;
    } finally {
      this.#looking.delete(look);
    }
  }
}

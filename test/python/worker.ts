/**
 * A worker, in Python as a rule, between the two ends of the real protocol, as an executor would hold it: what is sent
 * is encoded by src/runner-protocol, and each line that comes back must be a message of it, of a run that is under way.
 * Any fault fails the test.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { encodeRun, encodeToRunner } from "../../src/runner-protocol/encode.ts";
import { Faults } from "../../src/runner-protocol/faults.ts";
import { READ_DESCRIPTOR, WRITE_DESCRIPTOR } from "../../src/runner-protocol/limits.ts";
import { MessageReader } from "../../src/runner-protocol/message-reader.ts";
import type { FromRunner, ToRunner } from "../../src/runner-protocol/messages.ts";
import { RunLedger } from "../../src/runner-protocol/run-ledger.ts";
import { ROOT } from "../stage/command.ts";

export const WORKER_FOLDER = join(ROOT, "python");

export type Said<K extends FromRunner["kind"]> = Extract<FromRunner, { kind: K }>;
export type Ending = Said<"done" | "failed" | "stopped">;

type Told = Partial<Omit<Extract<ToRunner, { kind: "run" }>, "kind" | "run" | "task" | "payload">>;

export class Worker {
  readonly child: ChildProcess;
  readonly messages: FromRunner[] = [];
  output = "";
  #toChild: Writable;
  #ledger = new RunLedger();
  #changed: (() => void)[] = [];
  #folder: string;
  #exited: Promise<unknown>;
  #read: Promise<void>;
  #reading: unknown = null;

  /**
   * @param program - Python handlers, before which stands `from taskexe_worker import *` and behind which `serve`; or a
   *   command of another language.
   */
  constructor(
    program: string | readonly [string, ...string[]],
    { serve = "", env = {} }: { serve?: string; env?: Readonly<Record<string, string>> } = {},
  ) {
    this.#folder = mkdtempSync(join(tmpdir(), "taskexe-python-"));
    const file = join(this.#folder, "handlers.py");
    if (typeof program === "string") {
      writeFileSync(file, `from taskexe_worker import *\n${program}\nif __name__ == "__main__": serve(${serve})\n`);
    }
    const [command, ...args] = typeof program === "string" ? [process.env.PYTHON ?? "python3", file] : program;
    this.child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
      env: { ...process.env, PYTHONPATH: WORKER_FOLDER, PYTHONDONTWRITEBYTECODE: "1", ...env },
    });
    // Not "exit": its last output may still be on the way then.
    this.#exited = once(this.child, "close").then(() => this.#tell());
    this.#toChild = this.child.stdio[READ_DESCRIPTOR] as Writable;
    // What is written to a worker that has gone is lost, as in an executor.
    this.#toChild.on("error", () => {});
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (bytes: Buffer) => {
        this.output += bytes;
        this.#tell();
      });
    }
    this.#read = this.#readAll();
  }

  async #readAll(): Promise<void> {
    const reader = new MessageReader("fromRunner", new Faults((what) => assert.fail(`a fault: ${what}`)));
    try {
      for await (const bytes of this.child.stdio[WRITE_DESCRIPTOR] as Readable) {
        for (const message of reader.read(bytes)) this.#take(message);
        this.#tell();
      }
    } catch (error) {
      this.#reading = error;
    }
    this.#tell();
  }

  #take(message: FromRunner): void {
    if (this.messages.length === 0) assert.equal(message.kind, "hello", "hello comes first");
    this.messages.push(message);
    if (message.kind === "begun") for (const run of message.runs) assert.equal(this.#ledger.begin(run), null);
    if (isEnding(message)) assert.equal(this.#ledger.end(message.run, message.kind), null);
    if ("run" in message && message.run !== undefined && message.kind !== "unlock" && !isEnding(message)) {
      assert.ok(this.#ledger.isOpen(message.run), `${message.kind} of run ${message.run}, which is not under way`);
    }
  }

  #tell(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const resolve of changed) resolve();
  }

  /** Hands a run over; its number. */
  run(type: string, payload: unknown = null, told: Told = {}): number {
    return this.runText(type, JSON.stringify(payload), told);
  }

  runText(type: string, payload: string, told: Told = {}): number {
    const run = this.#ledger.open();
    const task = { id: `task-${run}`, type, queue: "common", priority: 0, queued_at: 1_700_000_000_000 };
    const about = { attempt: 1, crashes: 0, asks_for_delay: false, ...told };
    this.#toChild.write(encodeRun({ run, task, ...about, text: { payload } }));
    return run;
  }

  /** A task that another producer wrote. */
  runMessage(type: string, message: string): number {
    const run = this.#ledger.open();
    const task = { id: `task-${run}`, type, queue: "common", priority: 0, queued_at: null };
    this.#toChild.write(encodeRun({ run, task, attempt: 1, crashes: 0, asks_for_delay: false, text: { message } }));
    return run;
  }

  send(message: Exclude<ToRunner, { kind: "run" }>): void {
    this.#toChild.write(encodeToRunner(message));
  }

  /** Not a message of the protocol of this release. */
  sendText(text: string): void {
    this.#toChild.write(text);
  }

  /** The end of the executor, as the worker sees it. */
  end(): void {
    this.#toChild.end();
  }

  /** The first message of the kind for which it holds, now or later. */
  async said<K extends FromRunner["kind"]>(kind: K, holds: (message: Said<K>) => boolean = () => true) {
    for (let from = 0; ; ) {
      for (; from < this.messages.length; from++) {
        const message = this.messages[from] as Said<K>;
        if (message.kind === kind && holds(message)) return message;
      }
      if (this.#reading !== null) throw this.#reading;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        await this.#read;
        if (from === this.messages.length) assert.fail(`it ended before it said ${kind}:\n${this.output}`);
        continue;
      }
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed.push(resolve);
    });
  }

  begun(run: number) {
    return this.said("begun", ({ runs }) => runs.includes(run));
  }

  /** How the run ends. */
  async ending(run: number): Promise<Ending> {
    for (;;) {
      const found = this.messages.find((message): message is Ending => isEnding(message) && message.run === run);
      if (found !== undefined) return found;
      if (this.#reading !== null) throw this.#reading;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        assert.fail(`it ended before run ${run} did:\n${this.output}`);
      }
      await this.#change();
    }
  }

  /** The result of the run. */
  async result(run: number): Promise<unknown> {
    const ending = await this.ending(run);
    assert.equal(ending.kind, "done", JSON.stringify(ending));
    return (ending as Said<"done">).result;
  }

  async failure(run: number): Promise<Said<"failed">> {
    const ending = await this.ending(run);
    assert.equal(ending.kind, "failed", JSON.stringify(ending));
    return ending as Said<"failed">;
  }

  /** What was logged of the run; without one, of none. */
  logs(run?: number): Said<"log">[] {
    return this.messages.filter((message) => message.kind === "log").filter((message) => message.run === run);
  }

  /** Its exit code or signal. */
  async exit(): Promise<unknown> {
    await this.#exited;
    await this.#read;
    if (this.#reading !== null) throw this.#reading;
    return this.child.exitCode ?? this.child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await this.#exited;
    await this.#read;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function isEnding(message: FromRunner): message is Ending {
  return message.kind === "done" || message.kind === "failed" || message.kind === "stopped";
}

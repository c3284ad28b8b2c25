/**
 * `taskexe runner FILE...`: a process that an executor starts to run the handlers of these files. It speaks the runner
 * protocol on the descriptors 3 and 4; its standard output is the handlers'. It loads nothing but what handlers need:
 * no broker, no HTTP, no command line. It leaves when it is told to and all that runs has ended, at once when nobody is
 * at the other end any more, and with a reason on standard error when something has gone wrong outside of every task.
 */
import { openRoot, withNursery } from "../concurrency/index.ts";
import { afterTurn } from "../concurrency/turn.ts";
import { HandlerLoadError } from "../handlers/loading/handler-load-error.ts";
import { loadHandlers } from "../handlers/loading/load-handlers.ts";
import { loadedModules } from "../handlers/loading/loaded-modules.ts";
import type { OfferedModules } from "../handlers/loading/offered-modules.ts";
import type { HandlerRegistry } from "../handlers/registry.ts";
import { Faults } from "../runner-protocol/faults.ts";
import { PROTOCOL, READ_DESCRIPTOR, WRITE_DESCRIPTOR } from "../runner-protocol/limits.ts";
import { runtime } from "../runtime/index.ts";
import { type Ask, answerThreads, type Told } from "../runtime/process/executor-line.ts";
import { markRunner } from "../runtime/process/in-runner.ts";
import { bindToParent } from "../runtime/process/parent-bond.ts";
import { arePipes, openParentPipes, type ParentPipes } from "../runtime/process/parent-pipes.ts";
import { giveBackSoon } from "./give-back.ts";
import { noteGlobals } from "./intact.ts";
import { EXIT_FAILED, EXIT_FINE, EXIT_USAGE, leave, sayLast, toldOf } from "./last-words.ts";
import { manifestsOf } from "./manifests.ts";
import { Outbox } from "./outbox.ts";
import { logToExecutor } from "./own-log.ts";
import { RunnerHost } from "./runner-host.ts";
import { Runs } from "./runs.ts";

const NO_PIPES =
  `"taskexe runner" is started by an executor alone: it speaks a protocol on the file descriptors ${READ_DESCRIPTOR} ` +
  `and ${WRITE_DESCRIPTOR}, which are not there. To run tasks, say: taskexe run FILE...`;

const TOO_EARLY: Told = {
  error: { code: "too_early", message: "nothing can be asked of the executor while handler files are imported" },
};

/** @param args - the handler files and folders, with `--` before them where one begins with a dash. */
export async function runRunner(args: readonly string[], offered: OfferedModules): Promise<never> {
  // Before all else: an executor that is killed takes its runners along.
  if (bindToParent(runtime.linuxCalls()) === "orphaned") return leave(EXIT_FINE);
  const paths = args[0] === "--" ? args.slice(1) : args;
  if (!arePipes([READ_DESCRIPTOR, WRITE_DESCRIPTOR])) return leave(EXIT_USAGE, NO_PIPES);
  markRunner();
  let runner: Runner | null = null;
  const gone = (error: unknown) => {
    runner?.checkGlobals();
    return leave(EXIT_FAILED, `the executor cannot be reached any more: ${toldOf(error)}`);
  };
  const pipes = await openParentPipes(READ_DESCRIPTOR, WRITE_DESCRIPTOR, gone);
  runner = new Runner(pipes, paths, offered);
  return runner.toTheEnd();
}

class Runner {
  readonly #pipes: ParentPipes;
  readonly #paths: readonly string[];
  readonly #offered: OfferedModules;
  readonly #outbox: Outbox;
  readonly #runs = new Runs();
  readonly #root = openRoot();
  readonly #stopped = Promise.withResolvers<void>();
  /** The file that is being imported. */
  #importing: string | null = null;
  /** What a task has replaced of what all tasks use; null: nothing. */
  #replaced: () => string | null = () => null;
  #undoListening: () => void = () => {};
  /** Asks the executor; nothing is said to it before the hello. */
  #ask: Ask = () => Promise.resolve(TOO_EARLY);

  constructor(pipes: ParentPipes, paths: readonly string[], offered: OfferedModules) {
    this.#pipes = pipes;
    this.#paths = paths;
    this.#offered = offered;
    this.#outbox = new Outbox(pipes);
  }

  async toTheEnd(): Promise<never> {
    this.#undoListening = this.#listen();
    try {
      await withNursery(this.#root, async (nursery) => {
        const faults = new Faults((what) => sayLast(`the executor does not keep to the protocol: ${what}`));
        const early: Uint8Array[] = [];
        let read = (bytes: Uint8Array): unknown => early.push(bytes.slice());
        this.#pipes.read(
          (bytes) => read(bytes),
          () => this.#leaveAlone(),
        );
        answerThreads((members) => this.#ask(members));
        logToExecutor(this.#outbox);
        const registry = await this.#load();
        const { outbox, stopped } = { outbox: this.#outbox, stopped: () => this.#stopped.resolve() };
        this.#replaced = noteGlobals();
        const checkGlobals = (): void => this.checkGlobals();
        const host = new RunnerHost({ registry, outbox, runs: this.#runs, checkGlobals, faults, nursery, stopped });
        await this.#sayHello(registry);
        this.#ask = (members) => host.ask(members);
        read = (bytes) => host.read(bytes);
        for (const bytes of early) host.read(bytes);
        const giveUp = giveBackSoon(this.#runs);
        await this.#stopped.promise;
        giveUp();
      });
      this.#outbox.flush();
      await this.#outbox.writing;
    } catch (error) {
      return leave(EXIT_FAILED, `the runner has failed: ${toldOf(error)}`);
    }
    return leave(EXIT_FINE);
  }

  /** Ends the process where a task has replaced what all tasks use, and listens again where it has ended that. */
  checkGlobals(): void {
    const what = this.#replaced();
    if (what !== null) leave(EXIT_FAILED, `${what} was replaced by a task, which harms all others`);
    if (process.listenerCount("uncaughtException") > 0 && process.listenerCount("unhandledRejection") > 0) return;
    this.#undoListening();
    this.#undoListening = this.#listen();
  }

  #listen(): () => void {
    const undoFatal = runtime.onFatal((error) => this.#fail(error));
    const exits = (code: number): void => this.#onExit(code);
    process.on("exit", exits);
    return () => {
      undoFatal();
      process.off("exit", exits);
    };
  }

  async #load(): Promise<HandlerRegistry> {
    try {
      return await loadHandlers(this.#paths, this.#offered, (file) => {
        this.#importing = file;
      });
    } catch (error) {
      return leave(EXIT_USAGE, error instanceof HandlerLoadError ? error.message : toldOf(error));
    }
  }

  async #sayHello(registry: HandlerRegistry): Promise<void> {
    const types = await manifestsOf(registry);
    const files = [...new Set([...types.map(({ type }) => registry.sourceOf(type) ?? ""), ...loadedModules()])];
    const language = runtime.name === "bun" ? "javascript (Bun)" : `javascript (${runtime.name})`;
    this.#outbox.say({ kind: "hello", protocol: PROTOCOL, language, pid: process.pid, types, files });
    this.#outbox.flush();
  }

  /** Nobody is at the other end: others will run what runs here, so it is told to stop, and not waited for. */
  #leaveAlone(): void {
    this.#root.cancel("the executor is gone");
    afterTurn(() => leave(EXIT_FINE));
  }

  /** What nobody caught has left its task: the runner's state is not known any more. */
  #fail(error: unknown): void {
    this.checkGlobals();
    const file = this.#importing;
    if (file !== null) leave(EXIT_USAGE, `an error outside of every task while ${file} was imported: ${toldOf(error)}`);
    leave(EXIT_FAILED, `an error outside of every task: ${toldOf(error)}; ${this.#runs.names()}`);
  }

  /** Somebody's process.exit(), or our own: what was gathered has been done. */
  #onExit(code: number): void {
    this.#outbox.flush();
    const file = this.#importing;
    if (file === null) return;
    process.exitCode = EXIT_USAGE;
    if (code !== EXIT_USAGE) sayLast(`process.exit(${code}) was called while ${file} was imported: remove the call`);
  }
}

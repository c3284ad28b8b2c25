/**
 * A handler that is a command, `[exec.TYPE]`: each attempt is one process of it, never a shell. It reads the payload on
 * its standard input, has a folder of its own ($TASKEXE_DIR), and says by its exit code how it went: 0 done, 75 to be
 * tried later, else failed. A cancel is SIGTERM to its group and, after the grace, SIGKILL. Whatever it does, nothing
 * of it is left, and nothing that it writes can fill the executor.
 */
import {
  abortable,
  type CancelScope,
  type CapacityLimiter,
  Latch,
  moveOnAfter,
  type Nursery,
  sleep,
  sleepForever,
  withNursery,
  withScope,
} from "../../concurrency/index.ts";
import { messageOf } from "../../concurrency/unknown-values.ts";
import type { Handler, HandlerAttempt, HandlerEnding, HandlerOptions } from "../handler.ts";
import { ArgumentTemplates } from "./arguments.ts";
import { CommandOutput } from "./command-output.ts";
import type { CommandEnd, CommandStarter, RunningCommand } from "./command-starter.ts";
import type { WorkFolders } from "./work-folders.ts";

/** A command, as the configuration has it. */
export interface CommandKind {
  readonly type: string;
  /** The program and its arguments; `{name}` in an argument is the payload's field. */
  readonly command: readonly string[];
  /** Null: the attempt's own folder. */
  readonly cwd: string | null;
  /** The whole environment, but for what tells of the attempt. */
  readonly env: Readonly<Record<string, string>>;
  readonly options: HandlerOptions;
  /** What one attempt may have, with all that it starts; null: any number. */
  readonly maxMemoryBytes: number | null;
}

/** What all commands of an executor share. */
export interface CommandParts {
  readonly starter: CommandStarter;
  readonly folders: WorkFolders;
  /** How many run at once. */
  readonly places: CapacityLimiter;
}

/** The exit code of sysexits.h that asks for another try: EX_TEMPFAIL. */
const EXIT_LATER = 75;
/** When that comes where the table has no backoff of its own, in ms. */
const LATER_MS = 30_000;
/** How long what it wrote may take to arrive once all of it is dead, in ms. */
const LAST_OUTPUT_MS = 2_000;

export class ExecHandler implements Handler {
  readonly type: string;
  readonly options: HandlerOptions;
  readonly checkPayload = null;
  readonly #kind: CommandKind;
  readonly #program: string;
  readonly #arguments: ArgumentTemplates;
  readonly #parts: CommandParts;

  /** @throws Error where the program itself would be made of the payload. */
  constructor(kind: CommandKind, parts: CommandParts) {
    const [program = "", ...args] = kind.command;
    if (new ArgumentTemplates([program]).haveFields) {
      throw new Error(`the program of a command cannot be made of the payload, as in ${JSON.stringify(program)}`);
    }
    this.type = kind.type;
    this.options = kind.options;
    this.#kind = kind;
    this.#program = program;
    this.#arguments = new ArgumentTemplates(args);
    this.#parts = parts;
  }

  delayAfter(): null {
    return null;
  }

  async start(attempt: HandlerAttempt, scope: CancelScope): Promise<HandlerEnding> {
    const filled = this.#arguments.fill(attempt.payload);
    if ("refused" in filled) return failedFor(filled.refused, { retry: false });
    const { places, folders } = this.#parts;
    if (places.availableTokens <= 0) attempt.waits();
    return places.withPermit(scope.signal, async () => {
      let folder: string;
      try {
        folder = await folders.make();
      } catch (error) {
        return failedFor(`its folder cannot be made: ${messageOf(error)}`);
      }
      try {
        return await this.#run(attempt, filled.args, folder, scope);
      } finally {
        await folders.remove(folder);
      }
    });
  }

  async #run(
    attempt: HandlerAttempt,
    args: readonly string[],
    folder: string,
    scope: CancelScope,
  ): Promise<HandlerEnding> {
    const { cwd, env, maxMemoryBytes } = this.#kind;
    scope.signal.throwIfAborted();
    let command: RunningCommand;
    try {
      command = await this.#parts.starter.start(this.#program, args, {
        cwd: cwd ?? folder,
        env: { ...env, ...toldOf(attempt, folder) },
        stdin: attempt.payloadText,
        bound: "nobody",
        memory: maxMemoryBytes === null ? null : { bytes: maxMemoryBytes, beyond: "kill" },
      });
    } catch (error) {
      return failedFor(messageOf(error));
    }
    attempt.begun();
    const run = new CommandRun(command, attempt);
    const end = await run.toTheEnd(scope);
    const result = run.output.end();
    // Many programs leave with 0 when they are told to: after that no exit code says that the work was done.
    if (end === null) throw scope.signal.reason;
    if (end.code === 0) return { kind: "done", result: result.json, omitted: result.omitted };
    const { errorEnd } = run.output;
    const message = errorEnd === "" ? end.reason : `${end.reason}: ${errorEnd}`;
    return end.code === EXIT_LATER
      ? failedFor(message, { later: true, retryInMs: this.#laterMs() })
      : failedFor(message);
  }

  #laterMs(): number {
    return this.options.backoff?.delay_ms ?? LATER_MS;
  }
}

/** One command as it runs: its output is read, and a cancel is handed on. */
class CommandRun {
  readonly output: CommandOutput;
  readonly #command: RunningCommand;
  readonly #attempt: HandlerAttempt;
  /** Null: it has not ended. */
  #end: CommandEnd | null = null;
  #endedAt = 0;
  /** Null: it was not told to stop. */
  #stopped: { readonly at: number; readonly how: "heeded" | "killed" } | null = null;

  constructor(command: RunningCommand, attempt: HandlerAttempt) {
    this.#command = command;
    this.#attempt = attempt;
    this.output = new CommandOutput(attempt);
  }

  /** Waits for its end and for all that it wrote. Null: it was told to stop before it ended. */
  async toTheEnd(scope: CancelScope): Promise<CommandEnd | null> {
    // The cancel itself must not cut this short: what was started is waited for.
    await withScope(scope, { shield: true, name: "command" }, (shielded) =>
      withNursery(shielded, (nursery) => this.#live(nursery, scope.signal)),
    );
    if (this.#stopped === null) return this.#end;
    const afterMs = Math.round(this.#endedAt - this.#stopped.at);
    this.#attempt.tellEndedBy({ how: this.#stopped.how, afterMs });
    return null;
  }

  async #live(nursery: Nursery, cancelled: AbortSignal): Promise<void> {
    const isRead = new Latch();
    let open = 2;
    const reading = (name: "stdout" | "stderr") =>
      nursery.startSoon(
        async ({ signal }) => {
          await this.#read(name, signal);
          open--;
          if (open === 0) isRead.set();
        },
        { name },
      );
    nursery.startSoon(({ signal }) => this.#stopWith(cancelled, signal), { name: "cancel" });
    reading("stdout");
    reading("stderr");
    this.#end = await this.#command.ended;
    this.#endedAt = performance.now();
    await moveOnAfter(nursery.scope, LAST_OUTPUT_MS, ({ signal }) => isRead.wait(signal));
    nursery.scope.cancel("the command has ended");
  }

  async #stopWith(cancelled: AbortSignal, signal: AbortSignal): Promise<void> {
    const untilThen = sleepForever(cancelled).catch(() => {});
    await abortable(untilThen, signal);
    if (this.#end !== null) return;
    const at = performance.now();
    this.#stopped = { at, how: "heeded" };
    this.#command.kill("SIGTERM");
    await sleep(this.#attempt.graceMs, signal);
    if (this.#end !== null) return;
    this.#stopped = { at, how: "killed" };
    this.#command.kill("SIGKILL");
  }

  /** Never rejects. Once its signal aborts the rest is not read. */
  async #read(name: "stdout" | "stderr", signal: AbortSignal): Promise<void> {
    const reader = this.#command.child[name].getReader();
    try {
      for (;;) {
        const { done, value } = await abortable(reader.read(), signal);
        if (done) return;
        if (name === "stdout") this.output.out(value);
        else this.output.err(value);
      }
    } catch {
      // It broke off, or somebody holds it open whom nobody can end.
      await reader.cancel().catch(() => {});
    }
  }
}

/** What a command finds in its environment of the attempt. */
function toldOf({ id, attempt, trace }: HandlerAttempt, folder: string): Record<string, string> {
  const own = { TASKEXE_DIR: folder, TASKEXE_TASK_ID: id, TASKEXE_ATTEMPT: String(attempt) };
  if (!trace) return own;
  const { traceparent, tracestate } = trace;
  return { ...own, TRACEPARENT: traceparent, ...(tracestate === undefined ? {} : { TRACESTATE: tracestate }) };
}

type Failed = Extract<HandlerEnding, { kind: "failed" }>;

function failedFor(message: string, how: Partial<Pick<Failed, "retry" | "retryInMs" | "later">> = {}): Failed {
  return {
    kind: "failed",
    error: { name: "CommandError", message },
    retry: true,
    retryInMs: null,
    later: false,
    ...how,
  };
}

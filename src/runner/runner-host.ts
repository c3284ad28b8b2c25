/**
 * The runner's side of the conversation: what comes in a turn is read, the runs among it are said to have begun in one
 * line, and then they are called. Questions are answered from here, whatever the handlers wait for.
 */
import type { Nursery } from "../concurrency/index.ts";
import { messageOf } from "../concurrency/unknown-values.ts";
import { handlerFor } from "../handlers/handler-for.ts";
import type { InProcessHandler } from "../handlers/in-process/in-process-handler.ts";
import type { HandlerRegistry } from "../handlers/registry.ts";
import type { Faults } from "../runner-protocol/faults.ts";
import { MessageReader } from "../runner-protocol/message-reader.ts";
import type { ToRunner } from "../runner-protocol/messages.ts";
import { runtime } from "../runtime/index.ts";
import type { Told } from "../runtime/process/executor-line.ts";
import { Asks } from "./asks.ts";
import { HostedRun, type RunMessage } from "./hosted-run.ts";
import type { Outbox } from "./outbox.ts";
import type { Runs } from "./runs.ts";

type Question = Extract<ToRunner, { kind: "check" | "snapshot" | "tree" }>;

interface Beginning {
  readonly run: HostedRun;
  readonly handler: InProcessHandler;
}

export interface HostParts {
  readonly registry: HandlerRegistry;
  readonly outbox: Outbox;
  readonly runs: Runs;
  readonly faults: Faults;
  /** See HostedParts. */
  readonly checkGlobals: () => void;
  /** Everything that runs. */
  readonly nursery: Nursery;
  /** Told once all that ran has ended after a `stop`. */
  readonly stopped: () => void;
}

export class RunnerHost {
  readonly #parts: HostParts;
  readonly #asks: Asks;
  readonly #reader: MessageReader<"toRunner">;
  /** Runs that have come and are not said to have begun. */
  #beginning: Beginning[] = [];
  /** Nothing new is taken; it leaves when all that runs has ended. */
  #isStopping = false;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#asks = new Asks(parts.outbox);
    this.#reader = new MessageReader("toRunner", parts.faults);
  }

  /** Asks the executor what concerns no run. Never rejects. */
  ask(members: string): Promise<Told> {
    return this.#asks.tell(members);
  }

  /** @throws TooManyFaultsError with the tenth fault. */
  read(bytes: Uint8Array): void {
    for (const message of this.#reader.read(bytes)) this.#take(message);
    if (this.#beginning.length > 0) this.#begin();
  }

  #take(message: ToRunner): void {
    switch (message.kind) {
      case "run":
        this.#takeRun(message);
        return;
      case "cancel":
        this.#cancel(message.run, message.reason);
        return;
      case "ping":
        this.#parts.checkGlobals();
        this.#parts.outbox.line(`{"kind":"answer","ask":${message.ask}}\n`);
        return;
      case "tree":
      case "check":
      case "snapshot":
        this.#parts.nursery.startSoon(() => this.#answer(message), { name: message.kind });
        return;
      case "stop":
        this.#isStopping = true;
        this.#leaveIfDone();
        return;
      case "answer":
        this.#asks.answered(message);
        return;
      case "lock_lost":
        // One that has ended holds none.
        this.#parts.runs.get(message.run)?.lostLock(message.name, message.fence);
        return;
    }
  }

  #takeRun(message: RunMessage): void {
    const { registry, runs, outbox, faults } = this.#parts;
    const { run: number, task } = message;
    if (runs.get(number) !== undefined) {
      faults.add(`run ${number} was handed over twice`);
      return;
    }
    const handler = handlerFor(registry, task.type);
    if (handler === undefined) {
      const error = { name: "UnknownTypeError", message: `this runner has no handler for the type "${task.type}"` };
      outbox.say({ kind: "begun", runs: [number] });
      outbox.say({ kind: "failed", run: number, error, retry: true, later: false });
      return;
    }
    const run = new HostedRun(message, { outbox, asks: this.#asks, checkGlobals: this.#parts.checkGlobals });
    runs.add(run);
    this.#beginning.push({ run, handler });
  }

  /** One that has not begun never does. */
  #cancel(number: number, reason: Extract<ToRunner, { kind: "cancel" }>["reason"]): void {
    const { runs, outbox } = this.#parts;
    const at = this.#beginning.findIndex(({ run }) => run.run === number);
    const [waiting] = at === -1 ? [] : this.#beginning.splice(at, 1);
    if (waiting !== undefined) {
      runs.remove(waiting.run);
      outbox.say({ kind: "stopped", run: number, begun: false });
    }
    // An unknown one has ended meanwhile.
    runs.get(number)?.cancel(reason);
  }

  /** The line is written before the first handler is called: one that never returns has begun. */
  #begin(): void {
    const beginning = this.#beginning;
    this.#beginning = [];
    const { outbox, nursery } = this.#parts;
    outbox.line(`{"kind":"begun","runs":[${beginning.map(({ run }) => run.run).join(",")}]}\n`);
    outbox.flush();
    const { writing } = outbox;
    if (writing === null) this.#callAll(beginning);
    else nursery.startSoon(() => writing.then(() => this.#callAll(beginning)), { name: "begin" });
  }

  #callAll(beginning: readonly Beginning[]): void {
    const { nursery, runs } = this.#parts;
    for (const { run, handler } of beginning) {
      nursery.startSoon(
        async ({ scope }) => {
          await run.toTheEnd(handler, scope);
          runs.remove(run);
          if (this.#isStopping) this.#leaveIfDone();
        },
        { name: "run" },
      );
    }
  }

  #leaveIfDone(): void {
    if (this.#parts.runs.size === 0) this.#parts.stopped();
  }

  async #answer(question: Question): Promise<void> {
    const { outbox } = this.#parts;
    const { ask } = question;
    const refused = (message: string) => ({ kind: "answer", ask, error: { code: "failed", message } }) as const;
    try {
      const value = await this.#valueFor(question);
      outbox.sayOr({ kind: "answer", ask, value }, refused);
    } catch (error) {
      outbox.say(refused(messageOf(error)));
    }
  }

  async #valueFor(question: Question): Promise<unknown> {
    switch (question.kind) {
      case "tree":
        return this.#parts.runs.trees();
      case "check":
        return this.#check(question.type, question.payload);
      case "snapshot":
        await runtime.writeHeapSnapshot(question.path);
        return { path: question.path };
    }
  }

  async #check(type: string, payload: unknown): Promise<unknown> {
    const handler = this.#parts.registry.get(type);
    if (handler === undefined) throw new Error(`this runner has no handler for the type "${type}"`);
    const reading = (await handler.checkPayload?.(payload)) ?? { ok: true };
    return reading.ok ? { ok: true } : { ok: false, message: reading.error.message };
  }
}

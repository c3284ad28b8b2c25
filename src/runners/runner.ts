/**
 * One runner, from its start to its end: what it says is read, at most so much of it a turn, and held against the runs
 * that were handed over. Where a run goes is the pool's to decide.
 */
import { getLogger } from "@logtape/logtape";
import { encodeToRunner } from "../runner-protocol/encode.ts";
import { Faults, TooManyFaultsError } from "../runner-protocol/faults.ts";
import { MessageReader } from "../runner-protocol/message-reader.ts";
import type { FromRunner, Hello } from "../runner-protocol/messages.ts";
import { RunLedger } from "../runner-protocol/run-ledger.ts";
import { answer } from "./answers/answer.ts";
import type { Door } from "./answers/door.ts";
import { Asks } from "./asks.ts";
import { drained } from "./lines/drained.ts";
import { Inbox } from "./lines/inbox.ts";
import { lineOfRun } from "./lines/line-of-run.ts";
import { Outbox } from "./lines/outbox.ts";
import { LogBounds, passLineOn } from "./log-bounds.ts";
import { Pace } from "./pace.ts";
import { wholeReason } from "./processes/death-reason.ts";
import type { Run } from "./run.ts";
import type { RunnerKind, StartedRunner } from "./runner-kind.ts";
import { Silence } from "./silence.ts";
import { endingOf } from "./told-ending.ts";
import { TurnProgress } from "./turn-progress.ts";

const logger = getLogger(["taskexe", "runners"]);

export interface RunnerOwner {
  readonly kind: RunnerKind;
  /** Where what a runner asks of no run goes; null: nowhere. */
  readonly door: Door | null;
  /** A run has ended: there may be room for another one. */
  changed(runner: Runner): void;
  /** A run has begun: one more may be handed ahead. */
  begun(): void;
  /** A run that was asked back is for another one. */
  placeFirst(runs: readonly Run[]): void;
  /** Its runs that had not begun are for another one. */
  died(runner: Runner, reason: string, unbegun: readonly Run[]): void;
}

export class Runner {
  readonly process: StartedRunner;
  readonly isShared: boolean;
  readonly silence = new Silence();
  readonly asks: Asks;
  /** Resolves with its first message; rejects with why there is none. */
  readonly hello: Promise<Hello>;
  /** Unix ms. */
  readonly startedAt = Date.now();
  /** Since when it has had nothing to do, on the clock of performance.now(). */
  idleSince = performance.now();
  readonly pace = new Pace();
  /** It has said hello. */
  isReady = false;
  /** How many runs it takes at once, as its hello says. */
  concurrency = Number.POSITIVE_INFINITY;
  /** When it was told to leave, on the clock of performance.now(); null: it was not. */
  stoppedAt: number | null = null;
  /** It gets nothing new. */
  isRetired = false;
  isGone = false;
  /** What it wrote to standard error before it said hello: why it cannot be started. */
  firstErrors = "";
  /** Why it ends, as it says itself. */
  lastWords = "";
  /** Of one that is not shared: how many runs it may have as long as those that it has now run. */
  bound = 1;
  /** How many runs it has that nobody waits for any more. */
  abandoned = 0;
  done = 0;
  /** Resolved once all that it wrote to its standard output and error was read. */
  readonly outputEnd = Promise.withResolvers<void>();
  readonly owner: RunnerOwner;
  readonly #hello = Promise.withResolvers<Hello>();
  readonly #ledger = new RunLedger<Run>();
  readonly #logs = new LogBounds();
  readonly #faults: Faults;
  readonly #reader: MessageReader<"fromRunner">;
  readonly #outbox: Outbox;
  readonly #progress = new TurnProgress();
  #unbegun = 0;
  #hasHello = false;
  /** Why we have killed it; null: we have not. */
  killedFor: string | null = null;

  constructor(process: StartedRunner, isShared: boolean, owner: RunnerOwner) {
    this.process = process;
    this.isShared = isShared;
    this.owner = owner;
    this.#outbox = new Outbox(process.pipes, isShared ? owner.kind.concurrency : 1);
    this.hello = this.#hello.promise;
    // Whoever waits for it hears of it; nobody else must.
    this.hello.catch(() => {});
    this.#faults = new Faults((what) => {
      logger.warn("runner {pid}: {what}", { pid: process.pid, what });
      if (!this.#hasHello) this.#hello.reject(new Error(what));
    });
    this.#reader = new MessageReader("fromRunner", this.#faults);
    this.asks = new Asks((message) => this.say(encodeToRunner(message)));
    new Inbox(
      process.pipes,
      (bytes) => this.#read(bytes),
      () => this.#progress.tell(),
    );
  }

  /** How many runs it has, those that nobody waits for too. */
  get size(): number {
    return this.#ledger.size;
  }

  /** How many have begun. */
  get begun(): number {
    return this.size - this.#unbegun;
  }

  get unbegun(): number {
    return this.#unbegun;
  }

  /** Those that somebody waits for. */
  runs(): Run[] {
    return this.#ledger.runs().filter((run) => run.runner === this && !run.hasEnded);
  }

  /** Hands a run over. @throws MessageTooLongError, and then it has not got it. */
  give(run: Run): void {
    const number = this.#ledger.open(run);
    run.givenTo(this, number, this.silence.stillMs);
    try {
      this.#outbox.sayRun(lineOfRun(run), this.size === 1);
    } catch (error) {
      this.#ledger.end(number, "stopped");
      throw error;
    }
    this.#unbegun++;
  }

  /** A run that has not begun is for another runner. Where this one begins it nevertheless, it stops it at once. */
  takeBack(run: Run): void {
    this.say(encodeToRunner({ kind: "cancel", run: run.number, reason: "lost", grace_ms: 0 }));
    this.abandoned++;
    run.runner = null;
  }

  /** What it runs takes long: whatever was handed ahead to it waits for that. */
  get isSlow(): boolean {
    return this.begun > 0 && this.pace.isSlow;
  }

  /** Asks for a run that was handed ahead: it goes elsewhere once the runner says that it has stopped it. */
  askBack(run: Run): void {
    run.isAskedBack = true;
    this.say(encodeToRunner({ kind: "cancel", run: run.number, reason: "lost", grace_ms: 0 }));
  }

  /** Tells a run to stop. */
  cancel(run: Run, graceMs: number): void {
    this.say(encodeToRunner({ kind: "cancel", run: run.number, reason: run.reason, grace_ms: graceMs }));
  }

  /** Nobody waits for the run any more, although it goes on. */
  abandon(run: Run): void {
    this.abandoned++;
    run.stopped("abandoned");
  }

  /** A line of the protocol, its line feed included. */
  say(line: string): void {
    this.#outbox.say(line);
  }

  /** Nothing new, and it leaves when what runs has ended. */
  stop(): void {
    this.isRetired = true;
    this.stoppedAt ??= performance.now();
    this.say(encodeToRunner({ kind: "stop" }));
  }

  kill(signal: "SIGTERM" | "SIGKILL", why: string): void {
    this.isRetired = true;
    this.killedFor ??= why;
    this.process.kill(signal);
  }

  /** Waits until it has ended, and tells of all that was under way. */
  async toTheEnd(): Promise<void> {
    const end = await this.process.ended;
    await drained(this.process.pipes, this.outputEnd.promise);
    this.isGone = true;
    this.isRetired = true;
    const why = wholeReason(end, this.killedFor, this.lastWords);
    this.#hello.reject(new Error(why));
    this.asks.fail(why);
    const company = this.#ledger.begun().length - 1;
    const runs = this.runs();
    for (const run of runs) if (run.hasBegun) run.lost(company, this.done === 0, why);
    const unbegun = runs.filter(({ hasBegun }) => !hasBegun);
    for (const run of unbegun) run.runner = null;
    this.owner.died(this, why, unbegun);
  }

  #read(bytes: Uint8Array): void {
    this.silence.heard();
    try {
      for (const message of this.#reader.read(bytes)) {
        if (this.#hasHello || message.kind === "log") this.#take(message);
        else this.#first(message);
      }
    } catch (error) {
      if (!(error instanceof TooManyFaultsError)) throw error;
      this.kill("SIGKILL", `it does not keep to the protocol of runners: ${error.message}`);
    }
  }

  #take(message: FromRunner): void {
    switch (message.kind) {
      case "begun":
        for (const number of message.runs) this.#begin(number);
        // Of what has not begun it has at most twice its concurrency: that alone may have kept one waiting.
        if (this.owner.kind.ahead > 0) this.owner.begun();
        return;
      case "done":
      case "failed":
      case "stopped":
        this.#end(message);
        return;
      case "progress":
        this.#noteProgress(message);
        return;
      case "log":
        this.#log(message);
        return;
      case "answer":
        this.asks.answered(message);
        return;
      case "enqueue":
      case "task":
      case "cancel":
      case "lock":
      case "unlock":
      case "hold":
        answer(message, { askerOf: (run) => this.#attemptOf(run), door: this.owner.door }, (told) =>
          this.say(encodeToRunner(told)),
        );
        return;
      case "hello":
        this.#faults.add("a second hello");
    }
  }

  #first(message: FromRunner): void {
    if (message.kind !== "hello") {
      this.#faults.add(`its first message is no hello, but "${message.kind}"`);
      return;
    }
    this.#hasHello = true;
    this.concurrency = message.concurrency ?? Number.POSITIVE_INFINITY;
    this.#hello.resolve(message);
  }

  #noteProgress(message: Extract<FromRunner, { kind: "progress" }>): void {
    const run = this.#under(message.run, "progress");
    if (run !== null) this.#progress.note(run, message);
  }

  #begin(number: number): void {
    const fault = this.#ledger.begin(number);
    if (fault !== null) {
      this.#faults.add(fault);
      return;
    }
    this.#unbegun--;
    const run = this.#ledger.get(number);
    if (run === undefined || !this.#has(run, number)) return;
    run.begunAt = performance.now();
    if (!run.isAskedBack) this.pace.began(run.begunAt);
    run.stillBefore = this.silence.stillMs;
    run.begun();
  }

  #end(message: Extract<FromRunner, { kind: "done" | "failed" | "stopped" }>): void {
    const run = this.#ledger.get(message.run);
    const hadBegun = this.#ledger.hasBegun(message.run);
    if (!hadBegun) this.#unbegun--;
    const fault = this.#ledger.end(message.run, message.kind);
    if (run === undefined || fault !== null) {
      this.#unbegun++;
      this.#faults.add(fault ?? `${message.kind} of no run`);
      return;
    }
    if (hadBegun && !run.isAskedBack) this.pace.ended(performance.now(), run.begunAt);
    if (this.#has(run, message.run)) this.#ended(run, message);
    else this.abandoned--;
    if (hadBegun || message.kind !== "stopped") this.done++;
    if (this.size === 0) this.idleSince = performance.now();
    this.owner.changed(this);
  }

  #ended(run: Run, message: Extract<FromRunner, { kind: "done" | "failed" | "stopped" }>): void {
    this.#progress.tell();
    this.#logs.ended(run);
    if (message.kind !== "stopped") {
      run.end(endingOf(message));
    } else if (run.cancelledAt !== null) {
      run.stopped("heeded", message.retry_in_ms);
    } else if (run.isAskedBack) {
      run.runner = null;
      this.owner.placeFirst([run]);
    } else {
      const why = "it has stopped what it was not told to stop";
      run.lost(this.begun, this.done === 0, why);
      this.kill("SIGKILL", why);
    }
  }

  /** Whether somebody waits for it here: it was not taken back, and was not given up. */
  #has(run: Run, number: number): boolean {
    return run.runner === this && run.number === number && !run.hasEnded;
  }

  #attemptOf(number: number): Run["attempt"] | null {
    const run = this.#ledger.get(number);
    return run !== undefined && this.#has(run, number) ? run.attempt : null;
  }

  #log({ run: number, level, text, fields }: Extract<FromRunner, { kind: "log" }>): void {
    const { pid } = this.process;
    if (number === undefined) {
      if (this.#logs.takes(null, text.length)) logger[level]("runner {pid}: {text}", { ...fields, pid, text });
      return;
    }
    const run = this.#under(number, "log");
    if (run !== null && !run.hasEnded && this.#logs.takes(run, text.length)) passLineOn(run, { level, text, fields });
  }

  /** The run that a message tells something of; null, and a fault, where it is not under way. */
  #under(number: number, kind: string): Run | null {
    const run = this.#ledger.get(number);
    if (run === undefined) {
      this.#faults.add(`${kind} of run ${number}, which is not under way`);
      return null;
    }
    return run;
  }
}

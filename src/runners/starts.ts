/**
 * How runners of a kind come to be: the first one must say hello in time, with the types that are expected, or the
 * executor does not start; a later one that cannot is tried again after 0.1 to 30 s, and so are the runs that have no
 * other runner: they hold no slot meanwhile.
 */
import { getLogger } from "@logtape/logtape";
import { abortable, type CancelScope, Latch, moveOnAfter, type Nursery } from "../concurrency/index.ts";
import { messageOf } from "../concurrency/unknown-values.ts";
import type { HandlerEnding } from "../handlers/handler.ts";
import type { Hello, TypeManifest } from "../runner-protocol/messages.ts";
import { CATCH_ALL } from "../task/message/message-schema.ts";
import type { Runner } from "./runner.ts";
import type { RunnerKind, StartedRunner } from "./runner-kind.ts";

const logger = getLogger(["taskexe", "runners"]);

const HELLO_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** What waits for a runner that cannot be started comes again after this at the soonest. */
const SOONEST_MS = 1_000;

/** A runner could not be started, or has not said what it must. */
export class RunnerStartError extends Error {
  override readonly name = "RunnerStartError";
}

/** The types of a kind: what its runners say, and the catch-all where the kind is for that, too. */
export function typesOf({ types }: Hello, kind: Pick<RunnerKind, "types">): readonly TypeManifest[] {
  const isAdded = kind.types?.includes(CATCH_ALL) === true && types.every(({ type }) => type !== CATCH_ALL);
  return isAdded ? [...types, { type: CATCH_ALL }] : types;
}

interface Started {
  readonly runner: Runner;
  readonly hello: Hello;
}

/** How another one is started. */
interface More {
  readonly made: (process: StartedRunner) => Runner;
  /** Whether it is wanted no more. */
  readonly isOver: () => boolean;
  /** Null: it was wanted no more. */
  readonly started: (runner: Runner | null) => void;
  /** It could not be started, and is tried again. */
  readonly failed: () => void;
}

/** As its standard error has it, without the name of a program of ours before each line. */
function saidBy({ firstErrors }: Runner): string {
  return firstErrors.trim().replaceAll(/^taskexe: /gm, "");
}

export class Starts {
  readonly #kind: RunnerKind;
  readonly #helloMs: number;
  #problem: string | null = null;
  #failures = 0;
  /** When the next try is, on the clock of performance.now(). */
  #nextTryAt = 0;
  readonly #underWay = { shared: 0, apart: 0 };
  readonly #over = new Latch();
  /** The types of the first hello, as text: those of a generation are the same. */
  #types: string | null = null;

  constructor(kind: RunnerKind, helloMs = kind.helloMs ?? HELLO_MS) {
    this.#kind = kind;
    this.#helloMs = helloMs;
  }

  /** Why the last start has failed; null: it has not. */
  get problem(): string | null {
    return this.#problem;
  }

  /** How many shared runners and how many others are on their way. */
  get underWay(): { readonly shared: number; readonly apart: number } {
    return this.#underWay;
  }

  /** How runs end that wait for a runner which cannot be started now; null: it can, or it is not tried. */
  unable(way: "shared" | "apart"): HandlerEnding | null {
    if (this.#problem === null || this.#underWay[way] === 0) return null;
    const retryInMs = Math.max(SOONEST_MS, this.#nextTryAt - performance.now());
    const [problem, { name }] = [this.#problem, this.#kind];
    const message = problem.startsWith(name) ? problem : `${name} cannot be started: ${problem}`;
    const error = { name: RunnerStartError.name, message };
    return { kind: "failed", error, retry: true, retryInMs, later: true, isUnrun: true };
  }

  /** None is wanted any more: nobody waits until one can be tried again. */
  giveUp(): void {
    this.#over.set();
  }

  /** Starts one more beside those that there are. @param started - told of it once it has said hello. */
  more(nursery: Nursery, { made, isOver, started, failed }: More, way: "shared" | "apart"): void {
    this.#underWay[way]++;
    nursery.startSoon(
      async ({ scope }) => {
        const more = await this.#untilReady(scope, { made, isOver, failed });
        this.#underWay[way]--;
        started(more?.runner ?? null);
      },
      { name: `${this.#kind.name}: start` },
    );
  }

  /** @throws (rejects) RunnerStartError with the reason. */
  async once(scope: CancelScope, made: (process: StartedRunner) => Runner): Promise<Started> {
    const { name, start } = this.#kind;
    const fail = (reason: string): RunnerStartError => new RunnerStartError(`${name} cannot be started: ${reason}`);
    let runner: Runner;
    try {
      runner = made(await start());
    } catch (error) {
      throw fail(messageOf(error));
    }
    try {
      const said = await moveOnAfter(scope, this.#helloMs, ({ signal }) => abortable(runner.hello, signal));
      if (said.cancelled)
        throw new Error(`process ${runner.process.pid} has not said hello within ${this.#helloMs} ms`);
      this.check(said.value);
      return { runner, hello: said.value };
    } catch (error) {
      runner.kill("SIGKILL", messageOf(error));
      scope.signal.throwIfAborted();
      // What it says itself tells more than how it ended; it is all there once it has ended.
      await abortable(runner.outputEnd.promise, scope.signal);
      throw runner.firstErrors === "" ? fail(messageOf(error)) : new RunnerStartError(saidBy(runner));
    }
  }

  /** Tries until it can. Null: it is not wanted any more. @throws (rejects) the cancel of the scope. */
  async #untilReady(scope: CancelScope, { made, isOver, failed }: Omit<More, "started">): Promise<Started | null> {
    for (;;) {
      try {
        const started = await this.once(scope, made);
        this.#problem = null;
        this.#failures = 0;
        return started;
      } catch (error) {
        if (!(error instanceof RunnerStartError)) throw error;
        this.#problem = error.message;
        const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
        if (isOver()) return null;
        logger.error("{problem}; it is tried again in {pauseMs} ms, and what waits for it is tried again, too", {
          problem: error.message,
          pauseMs,
        });
        this.#nextTryAt = performance.now() + pauseMs;
        failed();
        await moveOnAfter(scope, pauseMs, ({ signal }) => this.#over.wait(signal));
      }
    }
  }

  /** @throws Error where the types are not those that they must be. */
  check({ types: told }: Hello): void {
    const types = told.map(({ type }) => type);
    const missing = (this.#kind.types ?? []).filter((type) => type !== CATCH_ALL && !types.includes(type));
    if (missing.length > 0) throw new Error(`its hello does not have the type ${missing.join(", ")}`);
    const text = JSON.stringify(told);
    this.#types ??= text;
    if (this.#types !== text)
      throw new Error(
        "it has other types than the first one: its files have changed, and a reload (SIGHUP) takes all of them",
      );
  }
}

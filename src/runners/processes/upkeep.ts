/**
 * What keeps runners fit: one that runs attempts of their own is rid of what an attempt has left there before the next
 * one is handed over, and one that has run so many attempts, or has too much memory, is replaced once all in it has
 * ended.
 */
import { getLogger } from "@logtape/logtape";
import { type Nursery, sleep, systemClock } from "../../concurrency/index.ts";
import { noteReplaced } from "../looks/restarts.ts";
import type { Runner } from "../runner.ts";
import type { RunnerKind } from "../runner-kind.ts";

const logger = getLogger(["taskexe", "runners"]);

/** How long what was killed may take to be gone, and how often that is looked at, in ms. */
const GONE_MS = 5;
const GONE_LIMIT_MS = 2_000;
/** How long one may live that has closed a descriptor of the protocol, in ms. */
const CUT_OFF_MS = 500;
const MB = 1024 * 1024;

export class Upkeep {
  readonly #kind: RunnerKind;
  readonly #nursery: Nursery;
  readonly #fit: (runner: Runner) => void;

  /** @param fit - told of a runner that may be given something, or may leave, which it could not before. */
  constructor(kind: RunnerKind, nursery: Nursery, fit: (runner: Runner) => void) {
    this.#kind = kind;
    this.#nursery = nursery;
    this.#fit = fit;
  }

  /** It has been started. */
  started(runner: Runner): void {
    const { beyondLimit, pid, pipes } = runner.process;
    pipes.onEnd(() => cutOff(runner, 4));
    pipes.onDeaf(() => cutOff(runner, 3));
    if (beyondLimit === undefined) return;
    this.#nursery.startSoon(
      async () => {
        const bytes = await beyondLimit;
        if (bytes === null || runner.isRetired) return;
        const megabytes = Math.ceil(bytes / MB);
        const { name: kind } = this.#kind;
        logger.info("runner {pid} of {kind} has {megabytes} MB: it is replaced", { pid, kind, megabytes });
        this.#retire(runner, "memory");
      },
      { name: `${this.#kind.name}: memory of ${pid}` },
    );
  }

  /** It has said hello: what it has started by now is its own. */
  ready(runner: Runner): void {
    if (!runner.isShared) runner.process.leftOvers?.begin();
  }

  /** It is given a run. */
  given(runner: Runner): void {
    if (!runner.isShared) runner.process.leftOvers?.attemptBegins();
  }

  /** A run of it has ended. */
  ended(runner: Runner): void {
    const { maxTasks = null } = this.#kind;
    if (maxTasks !== null && runner.done >= maxTasks && !runner.isRetired) this.#retire(runner, "tasks");
    if (runner.isShared || runner.size > 0 || runner.isRetired || !runner.isReady) return;
    if (runner.process.leftOvers?.attemptEnded() !== true) return;
    runner.isReady = false;
    this.#nursery.startSoon(({ signal }) => this.#tidy(runner, signal), { name: `${this.#kind.name}: left-overs` });
  }

  #retire(runner: Runner, why: "memory" | "tasks"): void {
    runner.isRetired = true;
    noteReplaced(runner, why);
    this.#fit(runner);
  }

  async #tidy(runner: Runner, signal: AbortSignal): Promise<void> {
    const since = performance.now();
    let found = runner.process.leftOvers?.remove();
    while (found === "again" && performance.now() - since < GONE_LIMIT_MS) {
      await sleep(GONE_MS, signal);
      found = runner.process.leftOvers?.remove();
    }
    if (found !== "done") runner.isRetired = true;
    runner.isReady = true;
    this.#fit(runner);
  }
}

/** One that ends has closed them, too, and is gone at once. */
function cutOff(runner: Runner, descriptor: number): void {
  systemClock.schedule(systemClock.now() + CUT_OFF_MS, () => {
    if (runner.isGone || runner.stoppedAt !== null) return;
    runner.kill("SIGKILL", `it has closed its descriptor ${descriptor}`);
  });
}

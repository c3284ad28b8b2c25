/**
 * The part of an executor that runs attempts, over a broker in memory: each delivery goes through the steps of an
 * attempt (executor/attempt), and its outcome is recorded. There are no services beside it, so nothing moves but what
 * a test asks for.
 */
import type { Delivery, Outcome } from "../broker/broker.ts";
import { type CancelScope, withNursery } from "../concurrency/index.ts";
import type { Attempt } from "../executor/attempt/attempt.ts";
import { CancelWatch } from "../executor/attempt/cancel-watch.ts";
import { Children } from "../executor/attempt/children.ts";
import { InlineCompany } from "../executor/attempt/company.ts";
import { LeaseCheck } from "../executor/attempt/lease-check.ts";
import { AttemptPolicy } from "../executor/attempt/policy.ts";
import { type AttemptParts, runAttempt } from "../executor/attempt/run-attempt.ts";
import { RunningAttempts } from "../executor/attempt/running-attempts.ts";
import type { ExecutorOptions } from "../executor/options.ts";
import { Stops } from "../executor/status/stops.ts";
import type { Handler, HandlerAttempt, Handlers } from "../handlers/handler.ts";
import { KeptLocks } from "../operations/locks/kept-locks.ts";
import type { NotingBroker } from "./noting-broker.ts";
import { Notes, type TaskRun, taskRun } from "./task-run.ts";

export class Attempts {
  readonly #broker: NotingBroker;
  readonly #running = new RunningAttempts();
  readonly #handlers: Handlers;
  readonly #options: ExecutorOptions;
  readonly #locks: KeptLocks;
  /** By the ids of the tasks that run. */
  readonly #notes = new Map<string, Notes>();

  constructor(broker: NotingBroker, handlers: Handlers, options: ExecutorOptions) {
    this.#broker = broker;
    this.#options = options;
    this.#locks = new KeptLocks(broker.locks, options.name);
    this.#handlers = {
      get: (type) => this.#noting(handlers.get(type)),
      types: () => handlers.types(),
    };
  }

  /** Runs them side by side, records how each ended, and tells it in the order of the ends. */
  async run(deliveries: readonly Delivery[], scope: CancelScope): Promise<TaskRun[]> {
    const outcomes: Outcome[] = [];
    const turnedAway: Delivery[] = [];
    const runs: TaskRun[] = [];
    const leaveNoMore = this.#broker.onCancel((ids) => {
      for (const id of ids) for (const attempt of this.#running.withId(id)) attempt.end("cancel", "cancelled");
    });
    try {
      await withNursery(scope, async (services) => {
        const parts = this.#parts(outcomes, turnedAway);
        services.startSoon((task) => parts.cancels.answer(task.signal), { name: "cancel answers" });
        services.startSoon((task) => this.#locks.run(task.scope), { name: "locks" });
        services.startSoon((task) => parts.leases.answer(task.signal), { name: "lease answers" });
        await withNursery(services.scope, async (attempts) => {
          for (const delivery of deliveries) {
            this.#running.expect();
            attempts.startSoon((task) => runAttempt(delivery, task, parts), { name: "attempt" });
          }
        });
        services.scope.cancel("all have ended");
      });
    } finally {
      leaveNoMore();
    }
    await this.#broker.release(turnedAway);
    const recorded = await this.#broker.complete(outcomes);
    for (const [index, outcome] of outcomes.entries()) {
      const answer = recorded[index];
      if (typeof answer === "object") throw new Error(`${outcome.id} cannot be recorded: ${answer.refused}`);
      runs.push(taskRun(outcome, this.#notes.get(outcome.id) ?? new Notes()));
      this.#notes.delete(outcome.id);
    }
    return runs;
  }

  #parts(outcomes: Outcome[], turnedAway: Delivery[]): AttemptParts {
    const broker = this.#broker;
    return {
      broker,
      handlers: this.#handlers,
      running: this.#running,
      cancels: new CancelWatch(broker, this.#running),
      leases: new LeaseCheck(broker),
      policy: new AttemptPolicy(this.#options),
      logs: {
        add: ({ id, queue }, level, text) => {
          broker.keepLine({ id, queue, lines: [{ at: Math.round(broker.now()), level, text }] });
        },
      },
      graceMs: this.#options.graceMs,
      children: new Children(broker, this.#handlers, this.#options),
      locks: this.#locks,
      company: new InlineCompany(() => {}),
      slots: this.#options.concurrency,
      stops: new Stops(),
      spanOf: null,
      ended: (outcome) => outcomes.push(outcome),
      turnAway: ({ delivery }) => turnedAway.push(delivery),
      left: { leaves: async () => false, add: (delivery) => turnedAway.push(delivery) },
      // Only a drain of an executor hands back, and only another executor takes a lease away: there is neither here.
      handBack: () => {},
      lost: () => {},
      ran: () => {},
      slotFreed: () => {},
      abandoned: (attempt: Attempt) => this.#running.abandon(attempt),
      freed: (attempt: Attempt) => this.#running.free(attempt),
    };
  }

  /** The same handler, whose attempts are listened to. */
  #noting(handler: Handler | undefined): Handler | undefined {
    if (handler === undefined) return undefined;
    const { type, options, checkPayload } = handler;
    return {
      ...{ type, options, checkPayload },
      delayAfter: (attempt, error) => handler.delayAfter(attempt, error),
      start: (attempt, scope) => {
        const notes = new Notes();
        this.#notes.set(attempt.id, notes);
        return handler.start(listenedTo(attempt, notes), scope);
      },
    };
  }
}

/** The attempt itself, but that what it tells is noted, too. */
function listenedTo(attempt: HandlerAttempt, notes: Notes): HandlerAttempt {
  return new Proxy(attempt, {
    get(target, key) {
      if (key === "tellProgress") {
        return (value: number, message: string) => {
          notes.progress.push({ value, message });
          target.tellProgress(value, message);
        };
      }
      if (key === "writeLog") {
        return (line: Parameters<HandlerAttempt["writeLog"]>[0]) => {
          notes.logged(line);
          target.writeLog(line);
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

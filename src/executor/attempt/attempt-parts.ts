/** What attempts stand on, out of the parts of their executor. */
import type { Broker } from "../../broker/broker.ts";
import type { Handlers } from "../../handlers/handler.ts";
import type { ExecutorMetrics } from "../../metrics/executor-metrics.ts";
import { countedProducer } from "../../operations/counted-producer.ts";
import type { KeptLocks } from "../../operations/locks/kept-locks.ts";
import type { LeftToOthers } from "../intake/left-to-others.ts";
import type { Abandonment } from "../leaving/abandonment.ts";
import type { HandBack } from "../leaving/hand-back.ts";
import type { ExecutorOptions } from "../options.ts";
import { endSpan, spansOf } from "../reports/attempt-span.ts";
import type { Completion } from "../reports/completion.ts";
import type { TaskLogs } from "../reports/task-logs.ts";
import type { Tally } from "../status/tally.ts";
import type { Attempt } from "./attempt.ts";
import type { CancelWatch } from "./cancel-watch.ts";
import { Children } from "./children.ts";
import type { InlineCompany } from "./company.ts";
import type { LeaseCheck } from "./lease-check.ts";
import { AttemptPolicy } from "./policy.ts";
import type { AttemptParts } from "./run-attempt.ts";
import type { RunningAttempts } from "./running-attempts.ts";

/** The parts of an executor that its attempts need. */
export interface PartsOfExecutor {
  readonly broker: Broker;
  readonly handlers: Handlers;
  readonly options: ExecutorOptions;
  readonly running: RunningAttempts;
  readonly company: InlineCompany;
  readonly cancels: CancelWatch;
  readonly leases: LeaseCheck;
  readonly logs: TaskLogs;
  readonly locks: KeptLocks;
  readonly tally: Tally;
  readonly metrics: ExecutorMetrics;
  readonly completion: Completion;
  /** What goes back when the executor leaves, and what goes back at once. */
  readonly handBack: HandBack;
  readonly turnedAway: HandBack;
  readonly left: LeftToOthers;
  readonly abandonment: Abandonment;
  /** A slot may be free again. */
  readonly slotFreed: () => void;
}

export function attemptParts(parts: PartsOfExecutor): AttemptParts {
  const { broker, handlers, options, running, company, cancels, leases, logs, locks, tally, slotFreed } = parts;
  const { tasks } = parts.metrics;
  const giveBack = ({ delivery, type, span }: Attempt, to: HandBack): void => {
    tally.countReleased(delivery.queue, type);
    span?.ended("released", null);
    to.add(delivery);
  };
  return {
    ...{ broker, handlers, running, company, cancels, leases, logs, locks, stops: tally.stops, slotFreed },
    left: parts.left,
    policy: new AttemptPolicy(options),
    children: new Children(
      countedProducer(broker, (queue, count) => tasks.enqueued(queue, "client", count)),
      handlers,
      options,
    ),
    spanOf: spansOf(options),
    ended(outcome, { span }) {
      if (span !== null) endSpan(span, outcome);
      parts.completion.add(outcome);
    },
    handBack: (attempt) => giveBack(attempt, parts.handBack),
    turnAway: (attempt) => giveBack(attempt, parts.turnedAway),
    ...{ slots: options.concurrency, graceMs: options.graceMs },
    ran: (attempt) => {
      const endedAt = broker.now();
      attempt.codeEndedAt = endedAt;
      const ranSeconds = Math.max(0, endedAt - attempt.startedAt) / 1_000;
      tasks.ran(attempt.type, ranSeconds, attempt.delivery.arrival?.waitedSeconds ?? null);
    },
    lost({ delivery, type, span }) {
      span?.ended("lost", "lease_lost");
      tally.countLost(delivery.queue, type);
    },
    abandoned: (attempt) => {
      running.abandon(attempt);
      parts.abandonment.counted();
    },
    freed: (attempt) => {
      if (running.free(attempt)) slotFreed();
    },
  };
}

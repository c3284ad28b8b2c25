/**
 * The rules of the alerts: those of scripts/observe/taskexe.rules.yml, over what one executor has counted and what the
 * broker has told it. Each gives what it finds now, with labels, the value and the threshold that it is beyond.
 */
import type { AlertSample, AlertWindow } from "./samples.ts";

export type Severity = "warning" | "critical";

/** What a rule finds. */
export interface Finding {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly threshold: number;
  /** For people. */
  readonly summary: string;
}

export interface AlertRule {
  readonly name: string;
  readonly severity: Severity;
  /** How long it must hold before it is an alert, in ms. */
  readonly forMs: number;
  readonly find: (now: AlertSample, window: AlertWindow) => Finding[];
}

const MINUTE = 60_000;
const TEN_MINUTES = 10 * MINUTE;
const HOUR = 60 * MINUTE;

const BACKLOG_S = 300;
const SATURATED_WAIT_S = 60;
const FULL = 0.95;
const FAILING = 0.1;
const LEAST_FAILURES = 5;
const CRASHES = 3;
const BLOCKED_S = 1;
const GROWTH_BYTES = 50e6;
const LARGE_BYTES = 500e6;

export const ALERT_RULES: readonly AlertRule[] = [
  {
    ...{ name: "TaskexeDown", severity: "warning", forMs: 0 },
    // Two beats were missed: that is over a minute by itself.
    find: ({ silent }) =>
      silent.map(({ name, seconds }) => ({
        ...{ labels: { executor: name }, value: seconds, threshold: 75 },
        summary: `${name} does not beat`,
      })),
  },
  {
    ...{ name: "TaskexeNoExecutor", severity: "critical", forMs: MINUTE },
    find: ({ queues }) =>
      queues
        .filter(({ queued, executors, isPaused }) => queued > 0 && executors === 0 && !isPaused)
        .map(({ name, queued }) => ({
          ...{ labels: { queue: name }, value: queued, threshold: 0 },
          summary: `Tasks wait in ${name}, and no executor serves it`,
        })),
  },
  {
    ...{ name: "TaskexeBacklog", severity: "warning", forMs: MINUTE },
    find: ({ queues }) =>
      queues
        .filter(({ oldestSeconds, isPaused }) => oldestSeconds > BACKLOG_S && !isPaused)
        .map(({ name, oldestSeconds }) => ({
          ...{ labels: { queue: name }, value: oldestSeconds, threshold: BACKLOG_S },
          summary: `The oldest task of ${name} waits for ${Math.round(oldestSeconds)} s`,
        })),
  },
  {
    ...{ name: "TaskexeTypeFailing", severity: "warning", forMs: 5 * MINUTE },
    find: (_now, window) =>
      window
        .types(TEN_MINUTES)
        .filter(({ attempts, failures }) => failures >= LEAST_FAILURES && failures / attempts > FAILING)
        .map(({ type, attempts, failures }) => ({
          ...{ labels: { type }, value: failures / attempts, threshold: FAILING },
          summary: `${Math.round((failures / attempts) * 100)} % of the attempts of ${type} fail`,
        })),
  },
  {
    ...{ name: "TaskexeDeadTasks", severity: "warning", forMs: 0 },
    find: (_now, window) =>
      window
        .pairs(TEN_MINUTES)
        .filter(({ dead }) => dead > 0)
        .map(({ queue, type, dead }) => ({
          ...{ labels: { queue, type }, value: dead, threshold: 0 },
          summary: `Tasks of ${type} in ${queue} are dead: taskexe list --state dead`,
        })),
  },
  {
    ...{ name: "TaskexeLeasesLost", severity: "warning", forMs: 0 },
    find: (_now, window) =>
      window
        .pairs(TEN_MINUTES)
        .filter(({ lost }) => lost > 0)
        .map(({ queue, type, lost }) => ({
          ...{ labels: { queue, type }, value: lost, threshold: 0 },
          summary: `Executors lost leases in ${queue}: they, or the broker, stood still`,
        })),
  },
  {
    ...{ name: "TaskexeRunnersCrashing", severity: "warning", forMs: 0 },
    find: ({ executor }, window) =>
      above(
        window.increase("crashes", TEN_MINUTES),
        CRASHES - 1,
        executor,
        `Runners of ${executor} crash or are killed`,
      ),
  },
  {
    ...{ name: "TaskexeCancelsIgnored", severity: "warning", forMs: 0 },
    find: ({ executor, abandoned }, window) =>
      above(
        ...([abandoned + window.increase("killed", TEN_MINUTES), 0, executor] as const),
        `Handlers on ${executor} ignore their cancel, or had to be killed`,
      ),
  },
  {
    ...{ name: "TaskexeSaturated", severity: "warning", forMs: 15 * MINUTE },
    find: ({ queues, slots, slotsBusy }) => {
      const waits = Math.max(
        0,
        ...queues.filter(({ isPaused }) => !isPaused).map(({ oldestSeconds }) => oldestSeconds),
      );
      const share = slots === 0 ? 0 : slotsBusy / slots;
      const summary = "All slots are busy while tasks wait for over a minute";
      return waits > SATURATED_WAIT_S && share > FULL ? [{ labels: {}, value: share, threshold: FULL, summary }] : [];
    },
  },
  {
    ...{ name: "TaskexeLoopBlocked", severity: "warning", forMs: MINUTE },
    find: ({ executor, lagSeconds }) =>
      above(lagSeconds, BLOCKED_S, executor, `The event loop of ${executor} stood still`),
  },
  {
    ...{ name: "TaskexeBrokerAway", severity: "critical", forMs: MINUTE },
    find: ({ isBrokerUp }) =>
      isBrokerUp ? [] : [{ labels: {}, value: 0, threshold: 1, summary: "Executors cannot use their broker" }],
  },
  {
    ...{ name: "TaskexeBrokerEvicting", severity: "critical", forMs: 5 * MINUTE },
    find: ({ isEvicting }) => {
      const summary = "The broker throws keys away when its memory is full: set maxmemory-policy to noeviction";
      return isEvicting ? [{ labels: {}, value: 1, threshold: 0, summary }] : [];
    },
  },
  {
    ...{ name: "TaskexeMemoryGrowing", severity: "warning", forMs: 30 * MINUTE },
    find: ({ executor, rssBytes }, window) => {
      const grown = rssBytes > LARGE_BYTES && window.isWhole(HOUR) ? window.increase("rssBytes", HOUR) : 0;
      return above(grown, GROWTH_BYTES, executor, `The memory of ${executor} grows`);
    },
  },
  {
    ...{ name: "TaskexeScheduleMissed", severity: "warning", forMs: 0 },
    find: ({ executor }, window) =>
      above(window.increase("missed", 15 * MINUTE), 0, executor, "Runs of schedules were due and left out"),
  },
];

function above(value: number, threshold: number, executor: string, summary: string): Finding[] {
  return value > threshold ? [{ labels: { executor }, value, threshold, summary }] : [];
}

/**
 * How each setting is called in each place it can come from, and its default: flags, environment, file.
 * One table, read by the loader, by the command line's help and by the errors.
 */
import { addressForms } from "../broker/drivers.ts";
import type { SettingKey } from "./schema.ts";

export interface SettingNames {
  /** The flag with its dashes; null where a setting has none. */
  readonly flag: string | null;
  /** What the flag takes, and what the help says of it. */
  readonly takes?: string;
  readonly help?: string;
  /** Environment variables; an earlier one wins. Those without TASKEXE_ are the original executor's. */
  readonly environment: readonly string[];
  /** The key in the TOML file. */
  readonly file: string;
  /** What counts when nobody says anything, written as a user would write it; null: worked out at start. */
  readonly fallback: string | null | readonly string[];
}

export const SETTING_NAMES: Readonly<Record<SettingKey, SettingNames>> = {
  broker: {
    flag: "--broker",
    environment: ["TASKEXE_BROKER"],
    file: "broker",
    fallback: null,
    takes: "<url>",
    help: `${addressForms()} (default: embedded)`,
  },
  brokerFile: {
    flag: "--broker-file",
    environment: ["TASKEXE_BROKER_FILE"],
    file: "broker_file",
    fallback: null,
    takes: "<file>",
    help: "a file that holds this address, for one with a password",
  },
  queues: {
    flag: "--queues",
    environment: ["TASKEXE_QUEUES"],
    file: "queues",
    fallback: "common",
    takes: "<names>",
    help: "queues to work on, with commas between them (default: common)",
  },
  tasks: {
    flag: "--tasks",
    environment: ["TASKEXE_TASKS"],
    file: "tasks",
    fallback: [],
    takes: "<path>",
    help: "a file or folder with handlers; can be given more than once",
  },
  concurrency: {
    flag: "--concurrency",
    environment: ["TASKEXE_CONCURRENCY", "MAX_CONCURRENT_TASKS"],
    file: "concurrency",
    fallback: "5",
    takes: "<number>",
    help: "how many tasks run at once (default: 5)",
  },
  isolation: {
    flag: "--isolation",
    environment: ["TASKEXE_ISOLATION"],
    file: "isolation",
    fallback: "shared",
    takes: "<where>",
    help: "where handler files run: shared (a runner), own (one each) or inline (default: shared)",
  },
  runners: {
    flag: "--runners",
    environment: ["TASKEXE_RUNNERS"],
    file: "runners",
    fallback: null,
    takes: "<number>",
    help: "how many shared runners there may be (default: the processors)",
  },
  ownRunners: {
    flag: "--own-runners",
    environment: ["TASKEXE_OWN_RUNNERS"],
    file: "own_runners",
    fallback: null,
    takes: "<number>",
    help: "how many runners for attempts that run alone (default: twice the processors, at least 4)",
  },
  name: {
    flag: "--name",
    environment: ["TASKEXE_NAME"],
    file: "name",
    fallback: null,
    takes: "<name>",
    help: "the executor's name, one of its own in the fleet (default: worked out)",
  },
  listen: {
    flag: "--listen",
    environment: ["TASKEXE_LISTEN"],
    file: "listen",
    fallback: "127.0.0.1:8080",
    takes: "<host:port>",
    help: "where HTTP answers, or unix:/PATH, or off (default: 127.0.0.1:8080)",
  },
  page: setting("page", "on"),
  tokenFile: { flag: null, environment: ["TASKEXE_TOKEN_FILE"], file: "token_file", fallback: null },
  tokensFile: { flag: null, environment: ["TASKEXE_TOKENS_FILE"], file: "tokens_file", fallback: null },
  leaseMs: {
    flag: "--lease",
    environment: ["TASKEXE_LEASE"],
    file: "lease",
    fallback: "30s",
    takes: "<duration>",
    help: "how long a task stays ours without a renewal (default: 30s)",
  },
  graceMs: {
    flag: "--grace",
    environment: ["TASKEXE_GRACE"],
    file: "grace",
    fallback: "30s",
    takes: "<duration>",
    help: "how long tasks may go on after a stop or a cancel (default: 30s)",
  },
  log: {
    flag: "--log",
    environment: ["TASKEXE_LOG"],
    file: "log",
    fallback: "pretty",
    takes: "<format>",
    help: "pretty or json (default: pretty)",
  },
  heartbeatTimeoutMs: {
    flag: null,
    environment: ["TASKEXE_HEARTBEAT_TIMEOUT", "WORKER_HEARTBEAT_TIMEOUT"],
    file: "heartbeat_timeout",
    fallback: "120s",
  },
  priorities: setting("priorities", "2"),
  attempts: setting("attempts", "3"),
  foreignAttempts: setting("foreign_attempts", "1"),
  backoff: setting("backoff", "exponential"),
  backoffDelayMs: setting("backoff_delay", "1s"),
  backoffMaxMs: setting("backoff_max", "10m"),
  crashBudget: setting("crash_budget", "3"),
  retryLaterLimit: setting("retry_later_limit", "100"),
  timeoutMs: setting("timeout", "off"),
  retentionMs: setting("retention", "1d"),
  deadRetentionMs: setting("dead_retention", "30d"),
  onDone: setting("on_done", "off"),
  onDead: setting("on_dead", "off"),
  onCancelled: setting("on_cancelled", "off"),
  alertType: { flag: null, environment: ["TASKEXE_ALERT_TYPE"], file: "alert.type", fallback: "off" },
  alertQueue: { flag: null, environment: ["TASKEXE_ALERT_QUEUE"], file: "alert.queue", fallback: null },
  deadLimit: setting("dead_limit", "10000"),
  doneLimit: setting("done_limit", "100000"),
  cancelledLimit: setting("cancelled_limit", "100000"),
  logBytes: setting("log_bytes", "256MB"),
  abandonedLimit: setting("abandoned_limit", "10"),
  runnerMaxRss: {
    flag: "--runner-max-rss",
    environment: ["TASKEXE_RUNNER_MAX_RSS"],
    file: "runner_max_rss",
    fallback: "off",
    takes: "<bytes>",
    help: "how much memory a runner or a command may have, like 512MB (default: off)",
  },
  runnerMaxTasks: {
    flag: "--runner-max-tasks",
    environment: ["TASKEXE_RUNNER_MAX_TASKS"],
    file: "runner_max_tasks",
    fallback: "off",
    takes: "<number>",
    help: "a runner is replaced after so many tasks (default: off)",
  },
  runnerEnv: {
    flag: "--runner-env",
    environment: ["TASKEXE_RUNNER_ENV"],
    file: "runner_env",
    fallback: "*",
    takes: "<names>",
    help: "variables that runners and commands are given, with commas between them (default: *)",
  },
  trackAllocations: {
    flag: null,
    environment: ["TASKEXE_TRACK_ALLOCATIONS", "TRACE_MALLOC_ENABLED"],
    file: "track_allocations",
    fallback: "0",
  },
  openStatus: setting("open_status", "1"),
  traceAttempts: setting("trace_attempts", "link"),
  traceCalls: setting("trace_calls", "0"),
};

/** One without a flag, whose variable is called like its key. */
function setting(file: string, fallback: string): SettingNames {
  return { flag: null, environment: [`TASKEXE_${file.toUpperCase()}`], file, fallback };
}

/** All keys, in the order in which errors about them are told. */
export const SETTING_KEYS = Object.keys(SETTING_NAMES) as SettingKey[];

/** Environment variables of ours whose values are secrets, or may hold one. */
export const SECRET_VARIABLES = ["TASKEXE_TOKEN", "TASKEXE_BROKER"];

/** Environment variables of ours that are no settings. */
export const OTHER_ENVIRONMENT = [
  ...["TASKEXE_CONFIG", "TASKEXE_DEBUG", "TASKEXE_ROOT", "TASKEXE_TOKEN"],
  // Of a command that a task runs, which may call us.
  ...["TASKEXE_RUNNER_OF", "TASKEXE_DIR", "TASKEXE_TASK_ID", "TASKEXE_ATTEMPT"],
];

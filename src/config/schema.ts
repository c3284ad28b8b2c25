/**
 * The one schema of the configuration: what each setting may be, whoever gave it.
 * Takes text (flags, environment) and TOML values alike and gives the types the program works with.
 * Where a value came from, and how it is called there, is in sources.ts.
 */
import * as v from "valibot";
import { addressProblem } from "../broker/drivers.ts";
import { withHome } from "../runtime/process/home.ts";
import { TypeSchema } from "../task/message/type-schema.ts";
import { KnownQueueSchema, MAX_PRIORITIES, QueueNameSchema } from "../task/options/enqueue-options.ts";
import { RUN_OPTIONS } from "../task/options/run-options.ts";
import { bytes, DAY, duration, expectedDuration, HOUR, wholeNumber } from "./values.ts";

const FOLLOWER = "a task type of 1 to 128 characters";

/** `HOST:PORT`; the host in brackets where it is an IPv6 address. Or `unix:/PATH`. */
export interface ListenAddress {
  /** A host, or `unix:/PATH` of a socket, whose port is 0. */
  readonly hostname: string;
  /** 0 takes a free port. */
  readonly port: number;
}

// What a driver makes of an address is its own; what none of them could read is refused here, with its origin.
const BrokerAddress = v.pipe(
  v.string("an address as text"),
  v.check(
    (address) => addressProblem(address) === null,
    ({ input }) => addressProblem(input) ?? "",
  ),
);

const QueueNames = v.pipe(
  names("names with commas between them"),
  v.minLength(1, "at least one queue"),
  v.maxLength(64, "at most 64 queues"),
  v.everyItem(
    (queue) => v.is(KnownQueueSchema, queue),
    "names of letters, digits, dot, dash and underscore, at most 128 long",
  ),
  v.everyItem(
    (queue) => v.is(QueueNameSchema, queue),
    'names that do not end in "-cancel", as the flags of cancelled tasks do',
  ),
  v.check((queues) => new Set(queues).size === queues.length, "each queue once"),
);

// Readers of the fleet take the name for the key of its heartbeats, so it must be none of the other keys.
const ExecutorName = v.pipe(
  v.string("a name as text"),
  v.regex(/^[\w.:@-]{1,200}$/, "letters, digits and . _ : @ -, at most 200 of them"),
  v.check(
    (name) => !/^(TASKEXE|clean_task_executor|te\..*|taskexe:.*|.*-cancel)$/.test(name),
    'a name that is no key of the broker: not TASKEXE or clean_task_executor, nor with "te." or "taskexe:" at its ' +
      'start or "-cancel" at its end',
  ),
);

const ListenOn = v.pipe(
  v.string("HOST:PORT or unix:/PATH as text, or off"),
  v.rawTransform(({ dataset, addIssue, NEVER }): ListenAddress | null => {
    const text = dataset.value.trim();
    if (text === "off") return null;
    const path = /^unix:(?:\/\/)?([/~][^\0]*[^\0/])$/.exec(text)?.[1];
    if (path !== undefined) return { hostname: `unix:${withHome(path)}`, port: 0 };
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text);
    const hostname = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    if (hostname === undefined || port > 65_535) {
      addIssue({ message: "HOST:PORT (like 127.0.0.1:8080 or [::1]:8080, port 0 to 65535), unix:/PATH or off" });
      return NEVER;
    }
    return { hostname, port };
  }),
);

const PathOrNone = v.nullable(v.pipe(v.string("a path as text"), v.nonEmpty("a path that is not empty")));

/** In bytes: a runner of ours has 60 MB before it runs anything. */
const LEAST_RUNNER_RSS = 100_000_000;
const MOST_RUNNER_RSS = 1_000_000_000_000;

/** Every setting and what it may be. The message of each check is what stands behind "expected". */
export const SettingsSchema = v.object({
  broker: BrokerAddress,
  // Read before the check: the address in it is the broker's.
  brokerFile: PathOrNone,
  queues: QueueNames,
  tasks: v.pipe(
    names("paths"),
    v.everyItem((path) => path !== "", "paths that are not empty"),
    v.transform((paths) => paths.map((path) => withHome(path))),
  ),
  concurrency: wholeNumber(1, 10_000),
  isolation: v.picklist(["shared", "own", "inline"], "shared, own or inline"),
  // Null: worked out from the processors of this machine.
  runners: v.nullable(wholeNumber(1, 1_000)),
  ownRunners: v.nullable(wholeNumber(1, 10_000)),
  name: v.nullable(ExecutorName),
  listen: ListenOn,
  page: v.picklist(["off", "read", "on"], "off, read or on"),
  tokenFile: PathOrNone,
  tokensFile: PathOrNone,
  leaseMs: duration(500, HOUR),
  graceMs: duration(0, DAY),
  log: v.picklist(["pretty", "json"], "pretty or json"),
  heartbeatTimeoutMs: duration(1_000, DAY),
  priorities: wholeNumber(1, MAX_PRIORITIES),
  attempts: wholeNumber(...RUN_OPTIONS.attempts.range),
  foreignAttempts: wholeNumber(...RUN_OPTIONS.attempts.range),
  backoff: v.picklist(["exponential", "fixed"], "exponential or fixed"),
  backoffDelayMs: duration(0, DAY),
  backoffMaxMs: duration(0, 30 * DAY),
  crashBudget: wholeNumber(...RUN_OPTIONS.crashBudget.range),
  retryLaterLimit: wholeNumber(1, 1_000_000),
  timeoutMs: orOff(duration(1, 30 * DAY), expectedDuration(1, 30 * DAY)),
  retentionMs: duration(0, 365 * DAY),
  deadRetentionMs: duration(60_000, 365 * DAY),
  onDone: orOff(TypeSchema, FOLLOWER),
  onDead: orOff(TypeSchema, FOLLOWER),
  onCancelled: orOff(TypeSchema, FOLLOWER),
  alertType: orOff(TypeSchema, FOLLOWER),
  alertQueue: v.nullable(
    v.custom<string>((given) => v.is(QueueNameSchema, given), 'the name of a queue, which does not end in "-cancel"'),
  ),
  deadLimit: wholeNumber(1, 1_000_000),
  // 0: any number.
  doneLimit: wholeNumber(0, 100_000_000),
  cancelledLimit: wholeNumber(0, 100_000_000),
  // 0: any number.
  logBytes: bytes(1_000_000, 1_000_000_000_000),
  abandonedLimit: wholeNumber(1, 10_000),
  runnerMaxRss: orOff(
    v.pipe(
      bytes(LEAST_RUNNER_RSS, MOST_RUNNER_RSS),
      v.transform((number) => number || null),
    ),
    "a number of bytes from 100MB to 1000GB (like 512MB)",
  ),
  runnerMaxTasks: orOff(wholeNumber(1, 100_000_000), "a whole number from 1 to 100000000"),
  runnerEnv: v.pipe(
    names("names of variables with commas between them"),
    v.transform((variables) => variables.filter((name) => name !== "")),
    v.everyItem((name) => /^[A-Za-z_*][\w*]*$/.test(name), "names of variables, in which * stands for any text"),
  ),
  trackAllocations: yesOrNo(),
  openStatus: yesOrNo(),
  traceAttempts: v.picklist(["link", "child"], "link or child"),
  traceCalls: yesOrNo(),
});

export type SettingValues = v.InferOutput<typeof SettingsSchema>;
export type SettingKey = keyof SettingValues;

function yesOrNo() {
  return v.pipe(
    v.union([v.boolean(), v.picklist(["1", "0", "true", "false"])], "1 or 0 (true or false)"),
    v.transform((value) => value === true || value === "1" || value === "true"),
  );
}

/** `off` is null. @param expected - what else it may be. */
function orOff<Value>(schema: v.GenericSchema<unknown, Value>, expected: string) {
  const off = v.pipe(
    v.literal("off"),
    v.transform(() => null),
  );
  return v.union([off, schema], `off, or ${expected}`);
}

function names(expected: string) {
  return v.pipe(
    v.union([v.string(), v.array(v.string())], expected),
    v.transform((value) => (typeof value === "string" ? value.split(",") : value).map((name) => name.trim())),
  );
}

/** The kinds of values that stand in the tables of handlers: commands, environments, hosts, and options of tasks. */
import * as v from "valibot";
import { EXPECTED_HOST, readAllowedHost } from "../../runtime/net/allowed-host.ts";
import { MAX_DURATION_MS } from "../../task/limits.ts";
import { EXPECTED_BACKOFF, parseBackoff } from "../../task/options/backoff-text.ts";
import type { EnqueueDefaults } from "../../task/options/enqueue-defaults.ts";
import { MAX_PRIORITIES, QueueNameSchema } from "../../task/options/enqueue-options.ts";
import { RUN_OPTION_ROWS, type RunOption, type RunOptions } from "../../task/options/run-options.ts";
import { duration, wholeNumber } from "../values.ts";

const COMMAND = 'a list of the program and its arguments, like ["python3", "worker.py"]; no shell reads it';

/** A program and its arguments. */
export const CommandSchema = v.pipe(
  v.array(v.string(COMMAND), COMMAND),
  v.check((words) => words[0] !== undefined && words[0].trim() !== "", COMMAND),
  v.everyItem((word) => !word.includes("\0"), "arguments without a NUL"),
);

export const PathSchema = v.pipe(v.string("a path as text"), v.nonEmpty("a path that is not empty"));

const VARIABLES = 'a table of variables with text, like { LANG = "C.UTF-8" }';

/** Variables of an environment. Their values are not shown, as they may be secrets. */
export const EnvironmentSchema = v.pipe(
  texts(VARIABLES),
  v.check((given) => Object.keys(given).every((name) => /^[a-z_]\w*$/i.test(name)), VARIABLES),
  v.check((given) => Object.values(given).every((value) => !value.includes("\0")), "values without a NUL"),
);

const HEADERS = 'a table of HTTP headers with text, like { Authorization = "Bearer ..." }';

/** What a request says by itself, and nobody else may. */
const OUR_HEADERS = new RegExp(
  "^(?:accept-encoding|connection|content-length|content-type|expect|host|idempotency-key|keep-alive|te|trailer|" +
    "traceparent|tracestate|transfer-encoding|upgrade|webhook-.*|taskexe-.*)$",
  "i",
);

/** Headers of a request. */
export const HeadersSchema = v.pipe(
  texts(HEADERS),
  v.check((given) => Object.keys(given).every((name) => /^[\w!#$%&'*+.^`|~-]{1,128}$/.test(name)), HEADERS),
  v.check((given) => Object.values(given).every((value) => /^[\t\x20-\x7e]{0,8192}$/.test(value)), HEADERS),
  v.check(
    (given) => !Object.keys(given).some((name) => OUR_HEADERS.test(name)),
    "headers that a request does not set by itself (not Host, Content-*, Idempotency-Key, Webhook-*, Taskexe-*, " +
      "Traceparent and those of the connection)",
  ),
);

/** Where requests go. */
export const UrlSchema = v.pipe(
  v.string("a URL as text, like https://example.com/tasks"),
  v.check((text) => /^https?:\/\//i.test(text) && URL.canParse(text), "a URL with http:// or https://"),
  v.check(
    (text) => new URL(text).username === "" && new URL(text).password === "",
    "a URL without user and password; put them into headers, as Authorization",
  ),
);

const HOSTS = `a list of hosts: each ${EXPECTED_HOST}`;

/** Hosts to which a request may be sent on, beside that of its URL. */
export const HostsSchema = v.array(
  v.pipe(
    v.string(HOSTS),
    v.check((host) => readAllowedHost(host) !== null, HOSTS),
  ),
  HOSTS,
);

/** What a table may say of the tasks of its type. */
export interface TableOptions extends RunOptions, Omit<EnqueueDefaults, "unique"> {}

/** One optional entry for each option, by its key in the file. */
export const OPTION_ENTRIES = {
  ...Object.fromEntries(RUN_OPTION_ROWS.map(([, row]) => [keyOf(row), v.optional(schemaOf(row))])),
  queue: v.optional(
    v.custom<string>((given) => v.is(QueueNameSchema, given), 'the name of a queue, which does not end in "-cancel"'),
  ),
  priority: v.optional(wholeNumber(0, MAX_PRIORITIES - 1)),
  delay: v.optional(duration(0, MAX_DURATION_MS)),
  deadline: v.optional(duration(0, MAX_DURATION_MS)),
};

/** What the checked entries say, by the names of programs; what they do not say is left out. */
export function optionsOf(entries: Readonly<Record<string, unknown>>): TableOptions {
  const names = [
    ...RUN_OPTION_ROWS.map(([name, row]) => [name, keyOf(row)] as const),
    ...(["queue", "priority"] as const).map((name) => [name, name] as const),
    ...(["delay", "deadline"] as const).map((key) => [`${key}Ms`, key] as const),
  ];
  return Object.fromEntries(
    names.flatMap(([name, key]) => (entries[key] === undefined ? [] : [[name, entries[key]] as const])),
  );
}

function keyOf({ json }: RunOption): string {
  return json.replace(/_ms$/, "");
}

function schemaOf(row: RunOption): v.GenericSchema {
  switch (row.kind) {
    case "number":
      return wholeNumber(...row.range);
    case "duration":
      return duration(0, MAX_DURATION_MS);
    case "type":
      return row.schema;
    case "backoff":
      return v.pipe(
        v.string(EXPECTED_BACKOFF),
        v.transform(parseBackoff),
        v.check((backoff) => backoff !== null, EXPECTED_BACKOFF),
      );
  }
}

function texts(expected: string) {
  return v.pipe(
    v.custom<object>((given) => isTable(given), expected),
    v.record(v.string(), v.string(expected), expected),
  );
}

/** Whether a value of TOML is a table: no list, no time. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/**
 * The tables of the configuration file that make handlers: `[worker.NAME]`, `[exec.TYPE]` and `[http.TYPE]`. Here
 * stands what each may say, and what the program makes of it. Reading a file of them is read-tables.ts.
 */
import { resolve } from "node:path";
import * as v from "valibot";
import { withHome } from "../../runtime/process/home.ts";
import { TypeSchema } from "../../task/message/message-schema.ts";
import { pathFrom } from "../paths.ts";
import { bytes, duration, HOUR, wholeNumber } from "../values.ts";
import type { SourceTable } from "./source-tables.ts";
import {
  CommandSchema,
  EnvironmentSchema,
  HeadersSchema,
  HostsSchema,
  OPTION_ENTRIES,
  optionsOf,
  PathSchema,
  type TableOptions,
  UrlSchema,
} from "./table-values.ts";

/** `[worker.NAME]`: a program that speaks the protocol of runners, kept warm. */
export interface WorkerTable {
  readonly name: string;
  /** Where it stands, for messages: `FILE:[worker.NAME]`. */
  readonly origin: string;
  /** The program and its arguments; a program with a `/` in it is absolute. */
  readonly command: readonly string[];
  /** The types that it is for; null: those that it says in its `hello`. */
  readonly types: readonly string[] | null;
  /** Absolute; the folder of the file where the table says none. */
  readonly cwd: string;
  /** What its environment has beside what every runner has; may hold secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** How many there may be; null: as many as there are processors. */
  readonly processes: number | null;
  /** How many attempts one of them runs at once. */
  readonly concurrency: number;
  /** Null: the setting says it. */
  readonly isolation: "shared" | "own" | null;
  /** It is replaced after so many; null: never. */
  readonly maxTasks: number | null;
  /** Bytes of resident memory beyond which it is replaced; null: any number. */
  readonly maxRssBytes: number | null;
  /** How long it may take until it says hello, in ms; null: as long as any runner. */
  readonly startTimeoutMs: number | null;
}

/** `[exec.TYPE]`: one process an attempt. */
export interface ExecTable {
  readonly type: string;
  readonly origin: string;
  /** The program and its arguments, with `{name}` in them as they stand. */
  readonly command: readonly string[];
  /** Absolute; null: the attempt's own folder. */
  readonly cwd: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly options: TableOptions;
}

/** `[http.TYPE]`: one request an attempt. */
export interface HttpTable {
  readonly type: string;
  readonly origin: string;
  /** With http: or https:, without user and password. A secret may stand in its path or query. */
  readonly url: string;
  /** Absolute; null: requests are not signed. */
  readonly secretFile: string | null;
  /** Other hosts, addresses and networks that a request may be sent on to; see runtime/net/allowed-host.ts. */
  readonly allow: readonly string[];
  /** May hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly options: TableOptions;
}

/** All of them, in the order of the file. */
export interface HandlerTables {
  readonly workers: readonly WorkerTable[];
  readonly execs: readonly ExecTable[];
  readonly https: readonly HttpTable[];
  /** They make no handlers, but tasks. */
  readonly sources: readonly SourceTable[];
}

/** Where no file says any. */
export const NO_TABLES: HandlerTables = { workers: [], execs: [], https: [], sources: [] };

/** What every maker is given beside the checked entries. */
export interface TablePlace {
  /** The name behind the kind: `NAME` or `TYPE`. */
  readonly name: string;
  readonly origin: string;
  /** The folder of the file. */
  readonly folder: string;
}

const TYPES = "a list of task types";

const Worker = v.strictObject({
  command: CommandSchema,
  types: v.optional(
    v.pipe(
      v.array(
        v.pipe(
          v.string(TYPES),
          v.check((type) => v.is(TypeSchema, type), "types of 1 to 128 characters"),
        ),
        TYPES,
      ),
      v.minLength(1, "at least one type"),
    ),
  ),
  cwd: v.optional(PathSchema),
  env: v.optional(EnvironmentSchema, {}),
  processes: v.optional(wholeNumber(1, 1_000)),
  concurrency: v.optional(wholeNumber(1, 10_000), 1),
  isolation: v.optional(v.picklist(["shared", "own"], "shared or own")),
  max_tasks: v.optional(wholeNumber(1, 100_000_000)),
  max_rss: v.optional(bytes(1_000_000, 1_000_000_000_000)),
  start_timeout: v.optional(duration(1_000, HOUR)),
});

const Exec = v.strictObject({
  command: CommandSchema,
  cwd: v.optional(PathSchema),
  env: v.optional(EnvironmentSchema, {}),
  ...OPTION_ENTRIES,
});

const Http = v.strictObject({
  url: UrlSchema,
  secret_file: v.optional(PathSchema),
  allow: v.optional(HostsSchema, []),
  headers: v.optional(HeadersSchema, {}),
  ...OPTION_ENTRIES,
});

/** What the tables of a kind are called by, may say, and become. */
export const WORKER = {
  kind: "worker",
  names: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/, "a name of letters, digits and . _ -, at most 64 of them")),
  schema: Worker,
  make(table: v.InferOutput<typeof Worker>, { name, origin, folder }: TablePlace): WorkerTable {
    const cwd = table.cwd === undefined ? folder : wholePath(table.cwd, folder);
    const { types = null, env, processes = null, concurrency, isolation = null, max_tasks: maxTasks = null } = table;
    const limits = { maxTasks, maxRssBytes: table.max_rss || null, startTimeoutMs: table.start_timeout ?? null };
    const command = commandFrom(table.command, cwd);
    return { name, origin, command, types, cwd, env, processes, concurrency, isolation, ...limits };
  },
} as const;

const TYPE_NAMES = v.pipe(
  v.string(),
  v.check((type) => v.is(TypeSchema, type), "a task type of 1 to 128 characters"),
);

export const EXEC = {
  kind: "exec",
  names: TYPE_NAMES,
  schema: Exec,
  make(table: v.InferOutput<typeof Exec>, { name, origin, folder }: TablePlace): ExecTable {
    const cwd = table.cwd === undefined ? null : wholePath(table.cwd, folder);
    const command = commandFrom(table.command, cwd ?? folder);
    return { type: name, origin, command, cwd, env: table.env, options: optionsOf(table) };
  },
} as const;

export const HTTP = {
  kind: "http",
  names: TYPE_NAMES,
  schema: Http,
  make(table: v.InferOutput<typeof Http>, { name, origin, folder }: TablePlace): HttpTable {
    const { url, allow, headers } = table;
    const secretFile = table.secret_file === undefined ? null : wholePath(table.secret_file, folder);
    return { type: name, origin, url, secretFile, allow, headers, options: optionsOf(table) };
  },
} as const;

function wholePath(path: string, folder: string): string {
  return resolve(withHome(pathFrom(path, folder)));
}

/** A program that is named by its path counts from the folder in which it is started; one by its name is in PATH. */
function commandFrom([program = "", ...words]: readonly string[], folder: string): string[] {
  return [program.includes("/") ? wholePath(program, folder) : program, ...words];
}

/**
 * Puts the configuration together: flags > environment > TOML file > defaults, one schema over the result.
 * Every value knows where it came from; every wrong one is told with that origin and with what is allowed.
 * Reads the environment and the file once; changes nothing on the machine.
 */
import * as v from "valibot";
import { runtime } from "../runtime/index.ts";
import { chooseBroker, environmentSource, type Found, fileSource, type Source } from "./broker-choice.ts";
import { ConfigError } from "./config-error.ts";
import { didYouMean } from "./nearest.ts";
import { shownValue } from "./redact.ts";
import { type SettingKey, SettingsSchema, type SettingValues } from "./schema.ts";
import { OTHER_ENVIRONMENT, SETTING_KEYS, SETTING_NAMES } from "./sources.ts";
import { type Environment, type StateDirectory, stateDirectory } from "./state-directory.ts";
import type { HandlerTables } from "./tables/handler-tables.ts";

/** Where a value came from: `flag --x`, `environment X`, `FILE:key` or `default`. */
export type Origin = string;

export interface Settings extends SettingValues {
  /** Why this broker: its origin, or that none was given and where the embedded queue lies. */
  readonly brokerSource: string;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
  /** The handlers that the configuration file defines; only it can. */
  readonly tables: HandlerTables;
  /** The folder for the locks of executor names, and for the embedded queue of this user; not created yet. */
  readonly stateDirectory: StateDirectory;
  /** What is no error and yet most likely a mistake, one sentence each. */
  readonly warnings: readonly string[];
  /** That the list of processes shows a password for as long as this process lives; null where it shows none. */
  readonly exposure: string | null;
}

/** What the command line gave; a key that is absent or undefined was not given. */
export type FlagValues = Partial<Readonly<Record<SettingKey, string | readonly string[] | undefined>>>;

/**
 * Reads the configuration.
 *
 * @param flags Values by setting, as they were typed.
 * @param options.configFile What `--config` said; without it `TASKEXE_CONFIG` counts, then this machine's own file.
 * @throws ConfigError with all wrong values, or with what is wrong with the file.
 */
export function readSettings(
  flags: FlagValues,
  environment: Environment,
  options: { readonly configFile?: string | undefined } = {},
): Settings {
  const fromFlags: Source = (key) => fromFlag(key, flags);
  const fromVariables = environmentSource(environment);
  const isNamed = [fromFlags, fromVariables].some((source) => source("broker") ?? source("brokerFile"));
  const file = fileSource(environment, options.configFile, !isNamed);
  const sources = [fromFlags, fromVariables, file.source];
  const broker = chooseBroker(sources, environment);
  const raw: Partial<Record<SettingKey, unknown>> = {};
  const origins: Partial<Record<SettingKey, Origin>> = {};
  for (const key of SETTING_KEYS) {
    const { value, origin } = key === "broker" ? broker : firstOf(key, sources);
    raw[key] = value;
    origins[key] = origin;
  }
  const where = origins as Record<SettingKey, Origin>;
  const values = check(raw, where);
  return {
    ...values,
    brokerSource: where.broker === "default" ? `no broker was given; ${broker.reason}` : where.broker,
    origins: where,
    tables: file.tables,
    stateDirectory: stateDirectory(environment),
    warnings: [...broker.warnings, ...unknownEnvironment(environment), ...runtimeEnvironment(environment)],
    exposure: broker.isInPs ? SEEN_IN_PS : null,
  };
}

function firstOf(key: SettingKey, sources: readonly Source[]): Found {
  for (const source of sources) {
    const found = source(key);
    if (found !== undefined) return found;
  }
  return { value: SETTING_NAMES[key].fallback, origin: "default" };
}

function fromFlag(key: SettingKey, flags: FlagValues): Found | undefined {
  const value = flags[key];
  return value === undefined ? undefined : { value, origin: `flag ${SETTING_NAMES[key].flag ?? key}` };
}

const SEEN_IN_PS =
  "the password in --broker can be read by every user of this machine, in the list of processes (ps); " +
  "put the address into a file for --broker-file, or into TASKEXE_BROKER";

function check(raw: unknown, origins: Record<SettingKey, Origin>): SettingValues {
  const checked = v.safeParse(SettingsSchema, raw);
  if (checked.success) return checked.output;
  const problems = new Map<SettingKey, string>();
  for (const issue of checked.issues) {
    const key = issue.path?.[0]?.key as SettingKey;
    const given = issue.path?.[0]?.value;
    if (problems.has(key)) continue;
    problems.set(key, `${origins[key]}: expected ${issue.message}, got ${shownValue(given)}`);
  }
  throw new ConfigError([...problems.values()]);
}

/**
 * What is Bun's own and works in an executable that it has made: it loads code, opens a debugger, or makes it be bun.
 */
const CHANGES_BUN = /^BUN_(?:OPTIONS|BE_BUN|INSPECT(?:_.*)?|RUNTIME_TRANSPILER_CACHE_PATH|JSC_.*)$/;

function runtimeEnvironment(environment: Environment): string[] {
  if (runtime.name !== "bun") return [];
  return Object.entries(environment)
    .filter(([name, value]) => value !== undefined && value !== "" && CHANGES_BUN.test(name))
    .map(([name]) => `environment ${name} changes what taskexe itself runs; unset it where you did not set it`);
}

function unknownEnvironment(environment: Environment): string[] {
  const known = [...SETTING_KEYS.flatMap((key) => SETTING_NAMES[key].environment), ...OTHER_ENVIRONMENT];
  return Object.keys(environment)
    .filter((name) => name.startsWith("TASKEXE_") && !known.includes(name))
    .map((name) => `environment ${name} is not known and does nothing${didYouMean(name, known)}`);
}

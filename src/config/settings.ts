/**
 * Puts the configuration together: flags > environment > TOML file > defaults, one schema over the result.
 * Every value knows where it came from; every wrong one is told with that origin and with what is allowed.
 * Reads the environment and the file once; changes nothing on the machine.
 */
import { join } from "node:path";
import * as v from "valibot";
import { readBrokerFile } from "./broker-file.ts";
import { ConfigError } from "./config-error.ts";
import { readConfigFile } from "./config-file.ts";
import { didYouMean } from "./nearest.ts";
import { holdsPassword, keepSecretsOf, shownValue } from "./redact.ts";
import { type SettingKey, SettingsSchema, type SettingValues } from "./schema.ts";
import { OTHER_ENVIRONMENT, SETTING_KEYS, SETTING_NAMES } from "./sources.ts";
import { type Environment, type StateDirectory, stateDirectory } from "./state-directory.ts";

/** Where a value came from: `flag --x`, `environment X`, `FILE:key` or `default`. */
export type Origin = string;

export interface Settings extends SettingValues {
  /** Why this broker: its origin, or that none was given and where the embedded queue lies. */
  readonly brokerSource: string;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
  /** The folder for the embedded queue and for the locks of executor names; not created yet. */
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
 * @param options.configFile What `--config` said; without it `TASKEXE_CONFIG` counts.
 * @throws ConfigError with all wrong values, or with what is wrong with the file.
 */
export function readSettings(
  flags: FlagValues,
  environment: Environment,
  options: { readonly configFile?: string | undefined } = {},
): Settings {
  const file = fileValues(environment, options.configFile);
  const state = stateDirectory(environment);
  const raw: Partial<Record<SettingKey, unknown>> = {};
  const origins: Partial<Record<SettingKey, Origin>> = {};
  const sources: readonly Source[] = [
    (key) => fromFlag(key, flags),
    (key) => fromEnvironment(key, environment),
    file,
    (key) => fallback(key, state),
  ];
  for (const key of SETTING_KEYS) {
    const found = firstOf(sources, key);
    raw[key] = found.value;
    origins[key] = found.origin;
  }
  const { warnings = [], isInPs = false, ...broker } = brokerOf(sources);
  raw.broker = broker.value;
  origins.broker = broker.origin;
  const where = origins as Record<SettingKey, Origin>;
  const values = check(raw, where);
  return {
    ...values,
    brokerSource: where.broker === "default" ? `no broker was given; ${state.from}` : where.broker,
    origins: where,
    stateDirectory: state,
    warnings: [...warnings, ...unknownEnvironment(environment)],
    exposure: isInPs ? SEEN_IN_PS : null,
  };
}

type Found = { readonly value: unknown; readonly origin: Origin };
type Source = (key: SettingKey) => Found | undefined;

function firstOf(sources: readonly Source[], key: SettingKey): Found {
  for (const source of sources) {
    const found = source(key);
    if (found !== undefined) return found;
  }
  return { value: undefined, origin: "default" };
}

/** The address itself or a file that holds it: the first source with one of them says it. */
function brokerOf(
  sources: readonly Source[],
): Found & { readonly warnings?: readonly string[]; readonly isInPs?: boolean } {
  for (const source of sources) {
    const [address, file] = [source("broker"), source("brokerFile")];
    // The default has an address and no file.
    if (file !== undefined && file.value !== null) {
      if (address !== undefined) throw new ConfigError([`${file.origin}: given beside ${address.origin}; keep one`]);
      if (typeof file.value !== "string" || file.value === "") break;
      const { address: value, warning } = readBrokerFile(file.value, file.origin);
      return { value, origin: `${file.origin}, ${file.value}`, warnings: warning === null ? [] : [warning] };
    }
    if (address === undefined) continue;
    const text = typeof address.value === "string" ? address.value : "";
    keepSecretsOf(text);
    return { ...address, isInPs: address.origin.startsWith("flag ") && holdsPassword(text) };
  }
  return firstOf(sources, "broker");
}

function fromFlag(key: SettingKey, flags: FlagValues): Found | undefined {
  const value = flags[key];
  return value === undefined ? undefined : { value, origin: `flag ${SETTING_NAMES[key].flag ?? key}` };
}

// An empty variable counts as absent: that is how one is switched off in a unit or a container.
function fromEnvironment(key: SettingKey, environment: Environment): Found | undefined {
  for (const name of SETTING_NAMES[key].environment) {
    const value = environment[name];
    if (value !== undefined && value !== "") return { value, origin: `environment ${name}` };
  }
  return undefined;
}

const SEEN_IN_PS =
  "the password in --broker can be read by every user of this machine, in the list of processes (ps); " +
  "put the address into a file for --broker-file, or into TASKEXE_BROKER";

function fileValues(environment: Environment, flag: string | undefined): (key: SettingKey) => Found | undefined {
  const path = flag ?? (environment.TASKEXE_CONFIG || undefined);
  if (path === undefined) return () => undefined;
  const values = readConfigFile(path, flag === undefined ? "environment TASKEXE_CONFIG" : "flag --config");
  return (key) =>
    values.has(key) ? { value: values.get(key), origin: `${path}:${SETTING_NAMES[key].file}` } : undefined;
}

function fallback(key: SettingKey, state: StateDirectory): Found {
  const value = key === "broker" ? `sqlite:${join(state.path, "queue.db")}` : SETTING_NAMES[key].fallback;
  return { value, origin: "default" };
}

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

function unknownEnvironment(environment: Environment): string[] {
  const known = [...SETTING_KEYS.flatMap((key) => SETTING_NAMES[key].environment), ...OTHER_ENVIRONMENT];
  return Object.keys(environment)
    .filter((name) => name.startsWith("TASKEXE_") && !known.includes(name))
    .map((name) => `environment ${name} is not known and does nothing${didYouMean(name, known)}`);
}

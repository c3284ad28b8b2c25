/**
 * Which broker it is: the first source that names one says it, by its address or by a file that holds the address;
 * where none does, the embedded queue. The sources are flags, the environment and a configuration file, in this order.
 */
import { accessSync, constants, statSync } from "node:fs";
import { embeddedAddress } from "../broker/drivers.ts";
import { readBrokerFile } from "./broker-file.ts";
import { ConfigError } from "./config-error.ts";
import { readConfigFile } from "./config-file.ts";
import { embeddedQueue, machinePath } from "./embedded-queue.ts";
import { holdsPassword, keepSecretsOf } from "./redact.ts";
import type { SettingKey } from "./schema.ts";
import { SETTING_NAMES } from "./sources.ts";
import type { Environment } from "./state-directory.ts";
import { type HandlerTables, NO_TABLES } from "./tables/handler-tables.ts";

export type Found = { readonly value: unknown; readonly origin: string };
export type Source = (key: SettingKey) => Found | undefined;

export interface ChosenBroker extends Found {
  /** Why this one, where nobody named any. */
  readonly reason?: string;
  readonly warnings: readonly string[];
  /** Whether the list of processes shows a password. */
  readonly isInPs: boolean;
}

/**
 * Chooses it.
 *
 * @throws ConfigError where a source names two, the file cannot be read, or there is no place for an embedded queue.
 */
export function chooseBroker(sources: readonly Source[], environment: Environment): ChosenBroker {
  for (const source of sources) {
    const [address, file] = [source("broker"), source("brokerFile")];
    if (file !== undefined) {
      if (address !== undefined) throw new ConfigError([`${file.origin}: given beside ${address.origin}; keep one`]);
      // What is no path is the schema's to refuse.
      if (typeof file.value !== "string" || file.value === "") continue;
      const { address: value, warning } = readBrokerFile(file.value, file.origin);
      const warnings = warning === null ? [] : [warning];
      return { value, origin: `${file.origin}, ${file.value}`, warnings, isInPs: false };
    }
    if (address === undefined) continue;
    const text = typeof address.value === "string" ? address.value : "";
    keepSecretsOf(text);
    return { ...address, warnings: [], isInPs: address.origin.startsWith("flag ") && holdsPassword(text) };
  }
  const { path, from, warning } = embeddedQueue(environment);
  const warnings = warning === null ? [] : [warning];
  return { value: embeddedAddress(path), origin: "default", reason: from, warnings, isInPs: false };
}

/** For programs without flags: the address of the broker that the environment, or this machine's file, says. */
export function brokerOfEnvironment(environment: Environment): string {
  const sources = [environmentSource(environment), fileSource(environment, undefined, true).source];
  const { value, origin } = chooseBroker(sources, environment);
  if (typeof value === "string") return value;
  throw new ConfigError([`${origin}: expected the address of a broker as text`]);
}

/** An empty variable counts as absent: that is how one is switched off in a unit or a container. */
export function environmentSource(environment: Environment): Source {
  return (key) => {
    for (const name of SETTING_NAMES[key].environment) {
      const value = environment[name];
      if (value !== undefined && value !== "") return { value, origin: `environment ${name}` };
    }
    return undefined;
  };
}

/** What the configuration file gives. */
export interface FileSource {
  readonly source: Source;
  readonly tables: HandlerTables;
}

const NO_FILE: FileSource = { source: () => undefined, tables: NO_TABLES };

/**
 * The configuration file: the one that is named, else this machine's own, `/etc/taskexe/taskexe.toml`,
 * where it is there. `off` in place of a path is none at all.
 *
 * @param isNeeded Whether it may say which broker it is. Where it may not, a file of the machine that this user may not
 *   read does not count.
 * @throws ConfigError as readConfigFile does.
 */
export function fileSource(environment: Environment, flag: string | undefined, isNeeded: boolean): FileSource {
  const named = flag ?? (environment.TASKEXE_CONFIG || undefined);
  if (named === "off") return NO_FILE;
  const path = named ?? machineFile(environment, isNeeded);
  if (path === null) return NO_FILE;
  const origin = flag !== undefined ? "flag --config" : named !== undefined ? "environment TASKEXE_CONFIG" : null;
  const { values, tables } = readConfigFile(path, origin ?? "the settings of this machine");
  const source: Source = (key) =>
    values.has(key) ? { value: values.get(key), origin: `${path}:${SETTING_NAMES[key].file}` } : undefined;
  return { source, tables };
}

function machineFile(environment: Environment, isNeeded: boolean): string | null {
  const path = machinePath(environment, "etc/taskexe/taskexe.toml");
  try {
    if (!statSync(path).isFile()) return null;
    accessSync(path, constants.R_OK);
    return path;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "ENOENT" || code === "ENOTDIR" || !isNeeded) return null;
    throw new ConfigError([
      `the settings of this machine, ${path}, which may name the broker, are closed to this user: ` +
        "become a member of its group, name the broker with --broker, or give --config off",
    ]);
  }
}

/**
 * Reads the TOML file: its values by setting, its tables of handlers, and a refusal of every key that is not known.
 * Relative paths in it count from the folder of the file. What the values may be is the schema's business.
 */
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { addressFrom } from "../broker/drivers.ts";
import { readText, UnreadableFileError } from "../runtime/files/read-text.ts";
import { ConfigError } from "./config-error.ts";
import { didYouMean } from "./nearest.ts";
import { pathFrom } from "./paths.ts";
import { shownName } from "./redact.ts";
import type { SettingKey } from "./schema.ts";
import { SETTING_KEYS, SETTING_NAMES } from "./sources.ts";
import type { HandlerTables } from "./tables/handler-tables.ts";
import { readTables, TABLE_KINDS } from "./tables/read-tables.ts";
import { isTable } from "./tables/table-values.ts";

/** What a file says. */
export interface ConfigFile {
  readonly values: ReadonlyMap<SettingKey, unknown>;
  readonly tables: HandlerTables;
}

/**
 * Reads the file.
 *
 * @param namedBy - where the path came from, for errors.
 * @throws ConfigError when the file cannot be read, is no TOML, has a key that is not known, or a wrong table.
 */
export function readConfigFile(path: string, namedBy: string): ConfigFile {
  const file = readToml(path, namedBy);
  const folder = dirname(resolve(path));
  const keys = new Map(SETTING_KEYS.map((key) => [SETTING_NAMES[key].file, key]));
  const values = new Map<SettingKey, unknown>();
  const problems: string[] = [];
  for (const [name, value] of entriesOf(file)) {
    const key = keys.get(name);
    if (key !== undefined) values.set(key, fromFolder(key, value, folder));
    else if (!TABLE_KINDS.some((kind) => kind === name)) {
      problems.push(`${path}: unknown key ${shownName(name)}${didYouMean(name, [...keys.keys(), ...TABLE_KINDS])}`);
    }
  }
  const read = readTables(file, path, folder);
  problems.push(...read.problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { values, tables: read.tables };
}

/** The keys of a file; those of the table `[alert]` are settings, too: `alert.type`. */
function entriesOf(file: Readonly<Record<string, unknown>>): (readonly [string, unknown])[] {
  return Object.entries(file).flatMap(([name, value]) =>
    name === "alert" && isTable(value)
      ? Object.entries(value).map(([key, inner]) => [`${name}.${key}`, inner] as const)
      : [[name, value] as const],
  );
}

function readToml(path: string, namedBy: string): Record<string, unknown> {
  let text: string;
  try {
    ({ text } = readText(path));
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    throw new ConfigError([`${namedBy}: the file ${path} cannot be read: ${error.message}`]);
  }
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "");
    throw new ConfigError([`${path}:${error.line}:${error.column}: not TOML: ${reason}`]);
  }
}

function fromFolder(key: SettingKey, value: unknown, folder: string): unknown {
  if (key === "tasks") {
    const paths = typeof value === "string" ? [value] : value;
    if (!Array.isArray(paths)) return value;
    return paths.map((path) => (typeof path === "string" && path !== "" ? pathFrom(path, folder) : path));
  }
  if (typeof value !== "string" || value === "") return value;
  if (key === "tokenFile" || key === "tokensFile" || key === "brokerFile") return pathFrom(value, folder);
  return key === "broker" ? addressFrom(value, folder) : value;
}

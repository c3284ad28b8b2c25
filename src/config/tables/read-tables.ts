/**
 * Reads the tables of handlers out of a configuration file: every problem with its table, its key and what was
 * expected there. A type that two of them define is one, too.
 */
import * as v from "valibot";
import { didYouMean } from "../nearest.ts";
import { shownName, shownValue } from "../redact.ts";
import { EXEC, type HandlerTables, HTTP, type TablePlace, WORKER } from "./handler-tables.ts";
import { SOURCE } from "./source-tables.ts";
import { isTable } from "./table-values.ts";

/** The keys of a file that are tables of handlers. */
export const TABLE_KINDS = ["worker", "exec", "http", "source"] as const;

interface Kind<Output, Table> {
  readonly kind: (typeof TABLE_KINDS)[number];
  readonly names: v.GenericSchema<string>;
  readonly schema: v.GenericSchema<unknown, Output> & { readonly entries: Readonly<Record<string, unknown>> };
  make(checked: Output, place: TablePlace): Table;
}

/** What was read, and what is wrong with it; with any problem the tables are not to be used. */
export interface ReadTables {
  readonly tables: HandlerTables;
  readonly problems: readonly string[];
}

/**
 * Reads them.
 *
 * @param file - the whole file, as TOML gives it.
 * @param path - its path, for messages.
 * @param folder - where relative paths in it count from.
 */
export function readTables(file: Readonly<Record<string, unknown>>, path: string, folder: string): ReadTables {
  const problems: string[] = [];
  const read = <Output, Table>(kind: Kind<Output, Table>): Table[] => {
    const found: Table[] = [];
    for (const [name, given] of namedTables(file, kind.kind, path, problems)) {
      const origin = `${path}:[${kind.kind}.${written(name)}]`;
      const checked = check(kind, name, given, origin);
      if (checked.problems !== null) problems.push(...checked.problems);
      else found.push(kind.make(checked.output, { name, origin, folder }));
    }
    return found;
  };
  const tables = { workers: read(WORKER), execs: read(EXEC), https: read(HTTP), sources: read(SOURCE) };
  problems.push(...tables.sources.map(({ problem }) => problem).filter((problem) => problem !== null));
  problems.push(...definedTwice(tables));
  return { tables, problems };
}

function namedTables(
  file: Readonly<Record<string, unknown>>,
  kind: string,
  path: string,
  problems: string[],
): readonly (readonly [string, unknown])[] {
  const given = file[kind];
  if (given === undefined) return [];
  if (isTable(given)) return Object.entries(given);
  const name = kind === "worker" || kind === "source" ? "NAME" : "TYPE";
  problems.push(`${path}:${kind}: expected tables [${kind}.${name}], got ${shownValue(given)}`);
  return [];
}

type Checked<Output> = { readonly problems: null; readonly output: Output } | { readonly problems: readonly string[] };

function check<Output, Table>(
  { names, schema, kind }: Kind<Output, Table>,
  name: string,
  given: unknown,
  origin: string,
): Checked<Output> {
  const named = v.safeParse(names, name);
  if (!named.success) return { problems: [`${origin}: expected ${named.issues[0].message}`] };
  if (!isTable(given)) return { problems: [`${origin}: expected a table, got ${shownValue(given)}`] };
  const checked = v.safeParse(schema, given);
  if (checked.success) return { problems: null, output: checked.output };
  const problems = new Map<string, string>();
  for (const issue of checked.issues) {
    const key = String(issue.path?.[0]?.key ?? "");
    if (problems.has(key)) continue;
    if (!(key in schema.entries)) problems.set(key, unknownKey(key, given[key], { kind, name, origin, schema }));
    else if (!(key in given)) problems.set(key, `${origin}: ${key} is missing`);
    else problems.set(key, `${origin} ${key}: expected ${issue.message}, got ${shownEntry(key, given[key], issue)}`);
  }
  return { problems: [...problems.values()] };
}

interface Place {
  readonly kind: string;
  readonly name: string;
  readonly origin: string;
  readonly schema: { readonly entries: Readonly<Record<string, unknown>> };
}

function unknownKey(key: string, value: unknown, { kind, name, origin, schema }: Place): string {
  // [http.mail.send] is a table "send" in the table "mail".
  const dotted = isTable(value)
    ? `; for the name ${name}.${key} write [${kind}.${JSON.stringify(`${name}.${key}`)}]`
    : "";
  const known = Object.keys(schema.entries);
  const advice = didYouMean(key, known) || dotted || `; known are ${known.join(", ")}`;
  return `${origin}: unknown key ${shownName(key)}${advice}`;
}

/** The entry, or the item of a list that is wrong. What may hold a secret is not shown. */
function shownEntry(key: string, value: unknown, issue: v.BaseIssue<unknown>): string {
  if (key !== "env" && key !== "headers") return shownValue(issue.path?.at(-1)?.value ?? value);
  if (!isTable(value)) return Array.isArray(value) ? "a list" : `a ${typeof value}`;
  const names = Object.entries(value).map(([name, one]) => `${shownName(name)} (${typeof one})`);
  return `a table of ${names.slice(0, 20).join(", ")}`;
}

function definedTwice({ workers, execs, https }: HandlerTables): string[] {
  const places = new Map<string, string>();
  const problems: string[] = [];
  const all = [
    ...workers.flatMap(({ types, origin }) => (types ?? []).map((type) => ({ type, origin }))),
    ...execs,
    ...https,
  ];
  for (const { type, origin } of all) {
    const first = places.get(type);
    if (first === undefined) places.set(type, origin);
    else problems.push(`two handlers for the type "${type}": ${first} and ${origin}; remove one of them`);
  }
  return problems;
}

/** A name as TOML has it in the head of a table. */
function written(name: string): string {
  return /^[\w-]+$/.test(name) ? name : shownName(name) === name ? `"${name}"` : shownValue(name);
}

/**
 * The file of tokens: a TOML table for each, with its name, its role, the queues it is limited to, and the hash of the
 * token. The tokens themselves stand nowhere. It is read at the start, and again when the executor is told to reload:
 * one that cannot be read then changes nothing.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { readText, UnreadableFileError } from "../../../runtime/files/read-text.ts";
import { KnownQueueSchema } from "../../../task/options/enqueue-options.ts";
import { type Caller, ROLES, type Role } from "./roles.ts";
import { TokenError } from "./token.ts";

/** How many tokens a file has, and how many queues one may name. */
const MOST_TOKENS = 1_000;
const MOST_QUEUES = 64;
/** The name of the token that stands alone (`TASKEXE_TOKEN`, `token_file`). */
export const SINGLE = "token";

const NAME = "1 to 64 letters, digits and . _ @ -";
const HASH = "sha256: and 64 digits of 0-9a-f, as taskexe token new prints it";

export const TokenNameSchema = v.pipe(
  v.string(NAME),
  v.regex(/^[\w.@-]{1,64}$/, NAME),
  v.check((name) => name !== SINGLE, `another name than "${SINGLE}", which is that of TASKEXE_TOKEN`),
);

const QUEUES = `a list of 1 to ${MOST_QUEUES} names of queues`;

const EntrySchema = v.strictObject({
  name: TokenNameSchema,
  role: v.picklist(ROLES, ROLES.join(", ")),
  queues: v.optional(
    v.pipe(v.array(KnownQueueSchema, QUEUES), v.minLength(1, QUEUES), v.maxLength(MOST_QUEUES, QUEUES)),
  ),
  hash: v.pipe(v.string(HASH), v.regex(/^sha256:[0-9a-f]{64}$/, HASH)),
});

/** A token of the file. */
export interface TokenEntry extends Caller {
  readonly hash: Buffer;
}

/** What a file says, and who may read or write it that should not. */
export interface ReadTokens {
  readonly entries: readonly TokenEntry[];
  readonly warning: string | null;
}

/** @throws TokenError with the file, the table and the key that are wrong, and what was expected. */
export function readTokens(path: string): ReadTokens {
  const { text, stats } = read(path);
  const others = stats.isFile() && (stats.mode & 0o006) !== 0;
  const warning = others
    ? `every user of this machine may read or write the tokens file ${path}; chmod o-rwx it`
    : null;
  return { entries: entriesOf(tomlOf(text, path), path), warning };
}

function entriesOf(file: Record<string, unknown>, path: string): TokenEntry[] {
  const { token: given = [], ...others } = file;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw wrong(path, `unknown key ${JSON.stringify(unknown.slice(0, 60))}; it has [[token]]`);
  if (!Array.isArray(given)) throw wrong(path, "expected tables [[token]]");
  if (given.length > MOST_TOKENS) throw wrong(path, `expected at most ${MOST_TOKENS} tokens, got ${given.length}`);
  const entries = given.map((each, index) => entryOf(each, `${path}: [[token]] ${index + 1}`));
  for (const [index, { name, hash }] of entries.entries()) {
    const before = entries.slice(0, index);
    if (before.some((other) => other.name === name)) throw wrong(path, `two tokens have the name "${name}"`);
    const twin = before.find((other) => other.hash.equals(hash));
    if (twin !== undefined) throw wrong(path, `"${twin.name}" and "${name}" are the same token`);
  }
  return entries;
}

function entryOf(given: unknown, where: string): TokenEntry {
  const checked = v.safeParse(EntrySchema, given);
  if (!checked.success) {
    const [issue] = checked.issues;
    const key = String(issue.path?.[0]?.key ?? "");
    const known = Object.hasOwn(EntrySchema.entries, key);
    // Never the value: whoever puts the token itself there shall not find it in a log.
    throw new TokenError(
      known
        ? `${where}: ${key}: expected ${issue.message}`
        : `${where}: unknown key ${JSON.stringify(key.slice(0, 60))}`,
    );
  }
  const { name, role, queues, hash } = checked.output;
  return {
    ...{ name, role, queues: queues === undefined ? null : new Set(queues) },
    hash: Buffer.from(hash.slice("sha256:".length), "hex"),
  };
}

function tomlOf(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new TokenError(`${path}:${error.line}:${error.column}: not TOML`);
  }
}

function read(path: string) {
  try {
    return readText(path);
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    throw new TokenError(`the tokens file ${path} cannot be read: ${error.message}`);
  }
}

function wrong(path: string, what: string): TokenError {
  return new TokenError(`the tokens file ${path}: ${what}`);
}

/** The entry that a token is of. All are compared, in a time that tells neither which it is nor where they differ. */
export function entryFor(entries: readonly TokenEntry[], token: string): TokenEntry | null {
  const digest = createHash("sha256").update(token).digest();
  let found: TokenEntry | null = null;
  for (const entry of entries) if (timingSafeEqual(entry.hash, digest)) found = entry;
  return found;
}

/** A new token, and its table for the file. */
export function newToken(name: string, role: Role, queues: readonly string[]): { token: string; entry: string } {
  const token = `te_${randomBytes(32).toString("base64url")}`;
  const hash = createHash("sha256").update(token).digest("hex");
  const limit = queues.length === 0 ? [] : [`queues = [${queues.map((queue) => JSON.stringify(queue)).join(", ")}]`];
  const lines = [
    "[[token]]",
    `name = ${JSON.stringify(name)}`,
    `role = "${role}"`,
    ...limit,
    `hash = "sha256:${hash}"`,
  ];
  return { token, entry: `${lines.join("\n")}\n` };
}

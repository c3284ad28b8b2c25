/** Reads the secret that requests to an endpoint are signed with, from a file of its own. */
import { readText, UnreadableFileError } from "../../runtime/files/read-text.ts";
import { ConfigError } from "../config-error.ts";
import { keepSecrets } from "../redact.ts";

/** The keys, and what is wrong with where they lie. */
export interface SecretFile {
  /** One for each secret, in the order of the file. */
  readonly keys: readonly Uint8Array[];
  /** Who may read it that should not; null where nobody may. */
  readonly warning: string | null;
}

/** While one secret takes the place of another there are two. */
const MOST_SECRETS = 5;
const SHORTEST = 16;
const EXPECTED =
  `one secret a line, at most ${MOST_SECRETS}: each of ${SHORTEST} characters or more, or whsec_ and base64 of ` +
  `${SHORTEST} bytes or more, like the output of: echo whsec_$(openssl rand -base64 32)`;

/**
 * The keys in the file. A secret is a line that is neither empty nor a comment (`#`): its own bytes are the key, or
 * those that base64 behind `whsec_` stands for, as Standard Webhooks has them.
 *
 * @param origin - the table that names it, for errors.
 * @throws ConfigError where the file cannot be read, or holds no secret; it never shows what stands in it.
 */
export function readSecretFile(path: string, origin: string): SecretFile {
  const { text, stats } = read(path, origin);
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const keys = lines.map(keyOf).filter((key) => key !== null);
  if (lines.length === 0 || lines.length > MOST_SECRETS || keys.length < lines.length) {
    throw new ConfigError([`${origin} secret_file: ${path}: expected ${EXPECTED}`]);
  }
  keepSecrets(lines);
  const others = stats.isFile() && (stats.mode & 0o006) !== 0;
  const warning = others
    ? `every user of this machine may read or write the secret file ${path}; chmod o-rwx it`
    : null;
  return { keys, warning };
}

function keyOf(secret: string): Uint8Array | null {
  const encoded = /^whsec_(.*)$/.exec(secret)?.[1];
  if (encoded !== undefined && !/^[A-Za-z\d+/]+={0,2}$/.test(encoded)) return null;
  const key = encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, "base64");
  return key.byteLength < SHORTEST ? null : key;
}

function read(path: string, origin: string) {
  try {
    return readText(path);
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    throw new ConfigError([`${origin} secret_file: the file ${path} cannot be read: ${error.message}`]);
  }
}

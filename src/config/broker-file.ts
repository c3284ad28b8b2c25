/**
 * Reads the address of the broker from a file of its own, so that a password in it stands neither in the list of
 * processes nor in an environment that others may read.
 */
import { dirname, resolve } from "node:path";
import { addressFrom } from "../broker/drivers.ts";
import { readText, UnreadableFileError } from "../runtime/files/read-text.ts";
import { ConfigError } from "./config-error.ts";
import { holdsPassword, keepSecretsOf } from "./redact.ts";

export interface BrokerFile {
  readonly address: string;
  /** Who may read the password that should not; null where nobody may, or there is none. */
  readonly warning: string | null;
}

/**
 * The address in the file: its one line that is neither empty nor a comment (`#`). A relative path in it
 * counts from the folder of the file.
 *
 * @param namedBy Where the path came from, for errors.
 * @throws ConfigError where the file cannot be read, or does not hold one address.
 */
export function readBrokerFile(path: string, namedBy: string): BrokerFile {
  const { text, stats } = read(path, namedBy);
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const [address] = lines;
  if (address === undefined || lines.length > 1) {
    const found = lines.length === 0 ? "nothing" : `${lines.length} lines`;
    throw new ConfigError([`${namedBy}: expected one line with the address of the broker in ${path}, found ${found}`]);
  }
  keepSecretsOf(address);
  const others = stats.isFile() && (stats.mode & 0o006) !== 0;
  const warning =
    others && holdsPassword(address)
      ? `${path} holds a password and every user of this machine may read or write it; chmod o-rwx it`
      : null;
  return { address: addressFrom(address, dirname(resolve(path))), warning };
}

function read(path: string, namedBy: string) {
  try {
    return readText(path);
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    throw new ConfigError([`${namedBy}: the file ${path} cannot be read: ${error.message}`]);
  }
}

/**
 * The one token that may do everything: where it comes from. It is read once at the start; it is never logged or shown.
 * Others, with less rights, stand in a file (tokens-file.ts); who asks is access.ts.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readText, UnreadableFileError } from "../../../runtime/files/read-text.ts";

const SHORTEST = 16;
const LONGEST = 1_024;

/** The token cannot be used; the message never shows it. */
export class TokenError extends Error {
  override readonly name = "TokenError";
}

/** Where a token may come from. */
export interface TokenSource {
  /** The token itself, as `TASKEXE_TOKEN` gives it; empty counts as absent. */
  readonly token?: string | undefined;
  /** A file that holds it; white space around it does not count. */
  readonly file?: string | null | undefined;
  /**
   * systemd's folder of credentials (`$CREDENTIALS_DIRECTORY`): its `token` counts where neither of the two was given.
   */
  readonly credentials?: string | undefined;
}

/** A token, and what is wrong with where it lies. */
export interface ReadToken {
  readonly token: string | null;
  /** Who may read it that should not; null where nobody may. */
  readonly warning: string | null;
}

/**
 * The token; null where none was given. A credential that says `off`, as the unit has it by default, is none.
 *
 * @throws TokenError where there are two, the file cannot be read, or it is too short to be a secret.
 */
export function readToken({ token, file, credentials }: TokenSource): ReadToken {
  if (token && file) throw new TokenError("TASKEXE_TOKEN and a token file were both given: keep one of them");
  if (token) return { token: checked(token.trim(), "TASKEXE_TOKEN"), warning: null };
  if (!file) return { token: credentials ? credentialIn(credentials) : null, warning: null };
  const { text, stats } = read(file);
  const others = stats.isFile() && (stats.mode & 0o006) !== 0;
  const warning = others ? `every user of this machine may read or write the token file ${file}; chmod o-rwx it` : null;
  return { token: checked(text.trim(), `the token file ${file}`), warning };
}

function credentialIn(folder: string): string | null {
  const file = join(folder, "token");
  if (!existsSync(file)) return null;
  const token = read(file).text.trim();
  return token === "off" || token === "" ? null : checked(token, `the credential ${file}`);
}

function read(file: string) {
  try {
    return readText(file);
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    throw new TokenError(`the token file ${file} cannot be read: ${error.message}`);
  }
}

// What may stand behind "Bearer " in a header.
function checked(token: string, source: string): string {
  if (token.length < SHORTEST || token.length > LONGEST || !/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    const expected = `${SHORTEST} to ${LONGEST} letters, digits or ._~+/=-`;
    throw new TokenError(`${source}: expected ${expected}, like the output of: openssl rand -hex 32`);
  }
  return token;
}

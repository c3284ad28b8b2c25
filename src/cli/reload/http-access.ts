/**
 * The tokens of the API as an executor has them: the one that may do everything, and those of the file, which is read
 * again with each SIGHUP, whatever becomes of the rest of that reload.
 */
import { getLogger } from "@logtape/logtape";
import type { Settings } from "../../config/settings.ts";
import type { AccessOptions } from "../../http/api/guard/access.ts";
import { readToken, TokenError } from "../../http/api/guard/token.ts";
import { readTokens, type TokenEntry } from "../../http/api/guard/tokens-file.ts";
import { CommandFailure, EXIT_USAGE } from "../process/exit.ts";

const log = getLogger(["taskexe", "tokens"]);

/** Reads them. Handlers, and what they start, are not to find the token in their environment. */
export function takeAccess({ tokenFile, tokensFile }: Pick<Settings, "tokenFile" | "tokensFile">): HttpAccess {
  const { TASKEXE_TOKEN: given, CREDENTIALS_DIRECTORY: credentials } = process.env;
  delete process.env.TASKEXE_TOKEN;
  try {
    const { token, warning } = readToken({ token: given, file: tokenFile, credentials });
    if (warning !== null) log.warn(warning);
    return { token, tokens: tokensFile === null ? undefined : TokensFile.open(tokensFile) };
  } catch (error) {
    if (error instanceof TokenError) throw new CommandFailure(error.message, EXIT_USAGE);
    throw error;
  }
}

export interface HttpAccess extends AccessOptions {
  readonly tokens: TokensFile | undefined;
}

class TokensFile {
  readonly #path: string;
  #entries: readonly TokenEntry[];

  /** @throws TokenError. */
  static open(path: string): TokensFile {
    return new TokensFile(path, read(path));
  }

  private constructor(path: string, entries: readonly TokenEntry[]) {
    this.#path = path;
    this.#entries = entries;
  }

  get entries(): readonly TokenEntry[] {
    return this.#entries;
  }

  /** Reads it again; where it cannot be read, all stays as it was, and the log says so. */
  reload(): void {
    try {
      this.#entries = read(this.#path);
      log.info("the tokens file is read again: {tokens}", { tokens: this.#entries.map(({ name }) => name).join(", ") });
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      log.error("{problem}; the tokens stay as they were", { problem: error.message });
    }
  }
}

function read(path: string): readonly TokenEntry[] {
  const { entries, warning } = readTokens(path);
  if (warning !== null) log.warn(warning);
  return entries;
}

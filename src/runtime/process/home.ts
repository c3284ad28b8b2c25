/** Whose home `~/` is: of the user of this process, who may have none (a container's user without a passwd entry). */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** `$HOME`, else what the system has of this user; null where neither is an absolute path. */
export function homeOf(environment: Environment): string | null {
  if (environment.HOME) return isAbsolute(environment.HOME) ? environment.HOME : null;
  try {
    const home = homedir();
    return isAbsolute(home) ? home : null;
  } catch {
    // The user has no entry.
    return null;
  }
}

/**
 * The same path; one that begins with `~/`, which not every shell has replaced, in the user's home where there is one.
 */
export function withHome(path: string, environment: Environment = process.env): string {
  const home = path.startsWith("~/") ? homeOf(environment) : null;
  return home === null ? path : join(home, path.slice(2));
}

/**
 * Where this program keeps what must outlive it: the embedded queue and the locks of executor names.
 * `$STATE_DIRECTORY` (systemd sets it), else `$XDG_STATE_HOME/taskexe`, else `~/.local/state/taskexe`.
 */
import { join } from "node:path";
import { homeOf } from "../runtime/process/home.ts";
import { ConfigError } from "./config-error.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface StateDirectory {
  /** Null where nothing names one and the user has no home. */
  readonly path: string | null;
  /** What named it, for messages: `$STATE_DIRECTORY`, `$XDG_STATE_HOME` or `home directory`. */
  readonly from: string;
}

/** Finds the state directory. It is not created here. */
export function stateDirectory(environment: Environment): StateDirectory {
  // systemd gives a list when a unit has several; the first is as good as any, and the same at each start.
  const given = environment.STATE_DIRECTORY?.split(":")[0];
  if (given) return { path: given, from: "$STATE_DIRECTORY" };
  if (environment.XDG_STATE_HOME) {
    return { path: join(environment.XDG_STATE_HOME, "taskexe"), from: "$XDG_STATE_HOME" };
  }
  const home = homeOf(environment);
  return { path: home === null ? null : join(home, ".local", "state", "taskexe"), from: "home directory" };
}

/**
 * Its path.
 *
 * @param what What is to be kept there, for the error.
 * @param flag What makes it unnecessary.
 * @throws ConfigError where there is none.
 */
export function pathOfState({ path }: StateDirectory, what: string, flag: string): string {
  if (path !== null) return path;
  const user = process.getuid === undefined ? "this user" : `this user (uid ${process.getuid()})`;
  throw new ConfigError([
    `${user} has no home directory (HOME is no absolute path) where ${what} could be kept; set STATE_DIRECTORY to ` +
      `a folder that it may write, or give ${flag}`,
  ]);
}

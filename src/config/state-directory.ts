/**
 * Where this program keeps what must outlive it: the embedded queue and the locks of executor names.
 * `$STATE_DIRECTORY` (systemd sets it), else `$XDG_STATE_HOME/taskexe`, else `~/.local/state/taskexe`.
 */
import { homedir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface StateDirectory {
  readonly path: string;
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
  return { path: join(environment.HOME || homedir(), ".local", "state", "taskexe"), from: "home directory" };
}

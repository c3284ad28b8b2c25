/**
 * The broker that a handler's `connect()` means: its executor's, however that came by its address. Kept where every
 * thread of the process reads it, Workers that handlers start among them, and no child process does: the address may
 * hold a password.
 */

export interface Home {
  /** As createBroker takes it; a file by its absolute path. */
  readonly url: string;
  readonly queues: readonly string[];
  readonly retentionMs: number;
  readonly priorities: number;
}

const KEY = "taskexe.home";

/** Makes it the home of this thread, and of each Worker that is started from now on. */
export function setHome(home: Home): void {
  threads().setEnvironmentData(KEY, JSON.stringify(home));
}

/** The home of this thread; null outside of an executor. */
export function homeOfThread(): Home | null {
  const kept = threads().getEnvironmentData(KEY);
  // Written by setHome alone.
  return typeof kept === "string" ? (JSON.parse(kept) as Home) : null;
}

function threads(): typeof import("node:worker_threads") {
  return process.getBuiltinModule("node:worker_threads");
}

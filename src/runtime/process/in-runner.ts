/**
 * Whether this is a thread of a runner: a process that an executor has started to run handlers. Kept where every thread
 * of the process reads it, Workers that handlers start among them.
 */
const KEY = "taskexe.runner";

/** Says so of this thread, and of each Worker that is started from now on. */
export function markRunner(): void {
  threads().setEnvironmentData(KEY, true);
}

export function isInRunner(): boolean {
  return threads().getEnvironmentData(KEY) === true;
}

function threads(): typeof import("node:worker_threads") {
  return process.getBuiltinModule("node:worker_threads");
}

/**
 * Which file the embedded queue is where no broker was named: that of `$STATE_DIRECTORY`; else that of this machine's
 * service (scripts/systemd), so that `taskexe enqueue` as it is typed goes where the service looks; else the user's
 * own. A queue that the user may not use is refused rather than left for another one in silence.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ConfigError } from "./config-error.ts";
import { type Environment, pathOfState, stateDirectory } from "./state-directory.ts";

const QUEUE = "queue.db";

export interface EmbeddedQueue {
  readonly path: string;
  /** Why this one, for messages. */
  readonly from: string;
  /** That the service of this machine has another one; null where there is none, or it is the same. */
  readonly warning: string | null;
}

/** A path of the machine itself; `TASKEXE_ROOT` puts another folder in the place of `/`, for tests and images. */
export function machinePath(environment: Environment, path: string): string {
  return join(environment.TASKEXE_ROOT || "/", path);
}

/**
 * Finds it; nothing is created.
 *
 * @throws ConfigError where the user may not use the service's queue, or has no home for one of their own.
 */
export function embeddedQueue(environment: Environment): EmbeddedQueue {
  const state = stateDirectory(environment);
  const service = machinePath(environment, "var/lib/taskexe");
  const found = lookAt(service);
  if (state.from === "$STATE_DIRECTORY" || found !== "queue") {
    if (found === "closed" && state.from !== "$STATE_DIRECTORY") throw notAllowed(join(service, QUEUE), service);
    const path = join(pathOfState(state, "the embedded queue", "--broker"), QUEUE);
    return { path, from: state.from, warning: warningOf(path, service, found) };
  }
  const path = join(service, QUEUE);
  for (const needed of [path, service]) {
    try {
      accessSync(needed, constants.R_OK | constants.W_OK);
    } catch {
      throw notAllowed(path, needed);
    }
  }
  return { path, from: "the queue of this machine's service", warning: null };
}

type Found = "none" | "folder" | "queue" | "closed";

function lookAt(service: string): Found {
  try {
    statSync(service);
    statSync(join(service, QUEUE));
    return "queue";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "EACCES" || code === "EPERM") return "closed";
    return isFolder(service) ? "folder" : "none";
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function warningOf(path: string, service: string, found: Found): string | null {
  if (found === "none" || resolve(dirname(path)) === resolve(service)) return null;
  const theirs =
    found === "folder" ? "has no embedded queue, so it works on another broker" : `has its queue in ${service}`;
  const both = `this machine's taskexe service ${theirs}; the one used here is ${path}`;
  return `${both}: give --broker where that is not meant`;
}

function notAllowed(queue: string, closed: string): ConfigError {
  const user = process.getuid === undefined ? "this user" : `this user (uid ${process.getuid()})`;
  return new ConfigError([
    `the queue of this machine's taskexe service, ${queue}, is closed to ${user}, who may not read and write ` +
      `${closed}: ` +
      "become a member of its group (usermod -aG taskexe USER, then log in anew), or name another queue with --broker",
  ]);
}

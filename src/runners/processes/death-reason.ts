/** Why a process is gone, in the words that a task's record keeps. */
import type { ChildExit } from "../../runtime/index.ts";

const MB = 1024 * 1024;
/** The signals by which a process ends itself when it has gone wrong. */
const CRASHES: ReadonlySet<string> = new Set(["SIGSEGV", "SIGBUS", "SIGILL", "SIGTRAP", "SIGABRT", "SIGFPE"]);

/** What was seen of its memory at last, against what it may have; both in bytes. */
export interface MemorySeen {
  readonly bytes: number;
  readonly limitBytes: number | null;
}

/** As `killed by SIGSEGV`, `exit code 7`, `out of memory: 812 MB of 512 MB`. */
export function deathReason({ code, signal }: ChildExit, { bytes, limitBytes }: MemorySeen): string {
  if (limitBytes !== null && bytes > limitBytes && code !== 0) return outOfMemory(bytes, limitBytes);
  if (signal !== null) return `killed by ${signal}`;
  return `exit code ${code ?? "unknown"}`;
}

/** How a process ended, and its reason; a signal is known where it was ended by one. */
export interface Death {
  readonly reason: string;
  readonly signal?: string | null;
}

/**
 * The same with the last words of the process, or, where we killed it, with what for.
 *
 * @param killedFor - comes too late where the process had crashed by itself; null: it was not killed.
 */
export function wholeReason(end: Death, killedFor: string | null, lastWords: string): string {
  const hasCrashed = CRASHES.has(end.signal ?? "");
  if (killedFor !== null && !hasCrashed) return killedFor;
  return lastWords === "" ? end.reason : `${end.reason}: ${lastWords}`;
}

function outOfMemory(bytes: number, limitBytes: number): string {
  return `out of memory: ${Math.ceil(bytes / MB)} MB of ${Math.floor(limitBytes / MB)} MB`;
}

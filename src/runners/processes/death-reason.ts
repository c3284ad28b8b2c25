/** Why a process is gone, in the words that a task's record keeps. */
import type { ChildExit } from "../../runtime/index.ts";

const MB = 1024 * 1024;

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

function outOfMemory(bytes: number, limitBytes: number): string {
  return `out of memory: ${Math.ceil(bytes / MB)} MB of ${Math.floor(limitBytes / MB)} MB`;
}

/** SIGHUP: the terminal is gone, or somebody asks for a reload. Under nohup it stays ignored, as its user wants it. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { sleep } from "../../concurrency/index.ts";
import { runtime } from "../../runtime/index.ts";

const TERMINAL_GOES_MS = 100;

/** Calls the handler at each SIGHUP; returns what undoes it. */
export function onHangup(handler: () => void): () => void {
  return isIgnored() ? () => {} : runtime.onSignal("SIGHUP", handler);
}

/**
 * From the start on: tells after a SIGHUP whether it came since the terminal is gone. The kernel sends it a moment
 * before that can be seen.
 */
export function watchTerminal(): (signal: AbortSignal) => Promise<boolean> {
  if (!hasTerminal()) return async () => false;
  return async (signal) => {
    await sleep(TERMINAL_GOES_MS, signal);
    return !hasTerminal();
  };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/** As the process was started; where the kernel does not tell, it is not. Node.js forgets it before we can ask. */
function isIgnored(): boolean {
  try {
    const [, mask = "0"] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return (BigInt(`0x${mask}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

/** SIGHUP: the terminal is gone, or somebody asks for a reload. Under nohup it stays ignored, as its user wants it. */
import { readFileSync } from "node:fs";
import { runtime } from "../../runtime/index.ts";

/** Calls the handler at each SIGHUP; returns what undoes it. */
export function onHangup(handler: () => void): () => void {
  return isIgnored() ? () => {} : runtime.onSignal("SIGHUP", handler);
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

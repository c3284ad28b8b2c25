/** Processes that are found by what they carry: nothing of a test may be left. Linux alone. */
import { readdirSync, readFileSync } from "node:fs";

/** All that have this as `MARK` in their environment, or in an argument; but for this process. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      const [environ, command] = ["environ", "cmdline"].map((file) => readFileSync(`/proc/${name}/${file}`, "latin1"));
      return environ?.includes(`MARK=${text}`) || command?.includes(text) ? [pid] : [];
    } catch {
      return [];
    }
  });
}

/** What Linux tells of another process: the CPU time it has used and the memory it holds. */
import { readFileSync } from "node:fs";

/** USER_HZ, which Linux fixes at 100 for what it shows to programs: CPU times come in steps of 10 ms. */
const TICK_MS = 10;

/** CPU time of a process and all its threads so far, user and system, in ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name, in brackets, can hold anything; the fields behind it are numbers: state is the 3rd, utime the 14th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident memory of a process, in bytes, and the most it ever had. */
export function memoryOf(pid: number): { readonly rssBytes: number; readonly peakBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
  return { rssBytes: bytes("VmRSS"), peakBytes: bytes("VmHWM") };
}

/** How much memory a process has with all it started. */
import { proportionalBytes, residentBytes } from "./proc.ts";

/**
 * In bytes. What several of them share is counted once for each, which is quick; only where that is beyond `enough` it
 * is counted right.
 */
export function memoryOf(pid: number, below: readonly number[], enough: number): number {
  const all = [pid, ...below];
  const resident = all.reduce((sum, each) => sum + residentBytes(each), 0);
  if (resident <= enough || below.length === 0) return resident;
  return all.reduce((sum, each) => sum + (proportionalBytes(each) ?? residentBytes(each)), 0);
}

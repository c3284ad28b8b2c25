/** How many executors serve a queue, for people. */

/** @param executors - null or absent: it is not known. */
export function servedBy(executors: number | null | undefined): string {
  if (executors === null || executors === undefined) return "?";
  return executors === 0 ? "none" : String(executors);
}

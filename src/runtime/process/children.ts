/**
 * The children that this runtime started and waits for. Nobody else may wait for one of those: a pid is reaped once.
 */

const waitedFor = new Set<number>();

/** From the moment of its start to that of its end. */
export function noteChild(pid: number): void {
  waitedFor.add(pid);
}

export function forgetChild(pid: number): void {
  waitedFor.delete(pid);
}

/** Whether the runtime itself waits for the end of this child. */
export function isWaitedFor(pid: number): boolean {
  return waitedFor.has(pid);
}

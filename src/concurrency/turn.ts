// One turn of the event loop: I/O and timers that are due get their chance before it goes on.
// setImmediate where it exists (Bun, Node, Deno), since setTimeout(0) costs a whole millisecond there.

// Taken once: code that shares this process may put something else in its place.
const onNextTurn: (callback: () => void) => unknown =
  typeof setImmediate === "function" ? setImmediate : (callback) => setTimeout(callback, 0);

/** Calls back after the event loop has turned once. Not a timer: virtual time does not hold it back. */
export function afterTurn(callback: () => void): void {
  onNextTurn(callback);
}

/** Resolves after the event loop has turned once. */
export function turn(): Promise<void> {
  return new Promise(afterTurn);
}

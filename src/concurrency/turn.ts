// One turn of the event loop: I/O and timers that are due get their chance before the promise resolves.
// setImmediate where it exists (Bun, Node, Deno), since setTimeout(0) costs a whole millisecond there.

/** Resolves after the event loop has turned once. Not a timer: virtual time does not hold it back. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

/** What a runner had said before it ended is on its way: the end of its pipe, and of its output. */
import { systemClock } from "../../concurrency/index.ts";
import type { ChildPipes } from "../../runtime/index.ts";

/** How long that is waited for, in ms: a child of its own may hold the pipe. */
const LAST_WORDS_MS = 200;

/** To be called once it has ended. @param output - its standard output and error are read to their end. */
export function drained(pipes: Pick<ChildPipes, "onEnd">, output: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const disarm = systemClock.schedule(systemClock.now() + LAST_WORDS_MS, resolve);
    const end = (): void => {
      disarm();
      resolve();
    };
    pipes.onEnd(() => output.then(end, end));
  });
}

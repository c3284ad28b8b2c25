/** The count of what a change has done, shown as it grows. */
import { type CancelScope, checkpoint } from "../../concurrency/index.ts";
import { progressBar } from "./progress-bar.ts";

/** Goes through the steps of a change and adds them up; a cancel of `scope` stops between two. */
export async function counted(label: string, steps: AsyncIterable<number>, scope: CancelScope): Promise<number> {
  const bar = progressBar(label, null);
  let total = 0;
  try {
    for await (const step of steps) {
      total += step;
      bar.update(total, String(total));
      await checkpoint(scope.signal);
    }
  } finally {
    bar.end(String(total));
  }
  return total;
}

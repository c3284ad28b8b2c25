/** The handler of the pick-up benchmark: notes when it began, and nothing else. BENCH_TIMES names the file. */
import { appendFileSync } from "node:fs";
import { defineTask } from "taskexe";

const file = process.env.BENCH_TIMES ?? "/dev/null";

export default defineTask({
  type: "pick-up",
  run({ task }) {
    const now = performance.timeOrigin + performance.now();
    appendFileSync(file, `${task.id} ${now}\n`);
  },
});

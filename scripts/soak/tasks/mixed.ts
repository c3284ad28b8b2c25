/** The task type `mixed` of the long soak: does what its payload says. */
import { defineTask, sleep } from "taskexe";
import * as v from "valibot";

export default defineTask({
  type: "mixed",
  payload: v.object({ kind: v.string(), ms: v.number() }),
  async run({ payload: { kind, ms }, attempt, signal, progress, log }) {
    if (kind === "tells") {
      await progress(0.5, "half of it is done");
      log.info("a line of the log", { ms });
    }
    if (kind === "works") await sleep(ms, signal);
    if (kind === "dies" || (kind === "fails-once" && attempt === 1)) throw new Error(`attempt ${attempt} fails`);
    return kind === "result" || kind === "tells" ? { tookMs: ms, text: "x".repeat(200) } : undefined;
  },
});

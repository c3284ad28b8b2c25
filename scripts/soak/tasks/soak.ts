/**
 * The task type `soak`. Writes each begin, end and kill to the ledger: one line, one write at the file's end, so that
 * it stands there whoever is killed the moment after.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { defineTask, sleep } from "taskexe";
import * as v from "valibot";

const LEDGER = process.env.SOAK_LEDGER ?? "ledger";

export default defineTask({
  type: "soak",
  payload: v.object({
    kind: v.picklist(["plain", "fails-once", "fails-always", "kills-once", "works", "sleeps", "bare", "poison"]),
    /** How long the work takes, in ms. */
    ms: v.number(),
  }),
  async run({ payload: { kind, ms }, task, attempt, signal, progress }) {
    const note = (what: string) =>
      appendFileSync(LEDGER, `${what} ${task.id} ${process.pid} ${attempt} ${Date.now()}\n`);
    note("begin");
    if (kind === "poison" || (kind === "kills-once" && isFirst(`${LEDGER}-kills`, task.id))) {
      note("kill");
      process.kill(process.pid, "SIGKILL");
    }
    if (kind === "works") await progress(0.5, "half of it is done");
    if (ms > 0) await sleep(ms, signal);
    if (kind === "fails-always" || (kind === "fails-once" && attempt === 1))
      throw new Error(`attempt ${attempt} fails`);
    note("end");
    return kind === "works" ? { tookMs: ms } : undefined;
  },
});

/** Whether this id has not yet been written down; writes it down. */
function isFirst(path: string, id: string): boolean {
  appendFileSync(path, "");
  if (readFileSync(path, "utf8").split("\n").includes(id)) return false;
  appendFileSync(path, `${id}\n`);
  return true;
}

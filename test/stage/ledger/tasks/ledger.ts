/**
 * The task type `ledger`: writes down that it starts, waits, writes down how it ends. Tests count who ran what.
 * The ledger is the file that LEDGER names; each line is one write at its end, so many processes can share it.
 */
import { appendFileSync, existsSync } from "node:fs";
import { defineTask, sleep } from "taskexe";
import * as v from "valibot";

const LEDGER = process.env.LEDGER ?? "ledger";
/** The executor's, also where a runner of it runs this. */
const EXECUTOR = process.env.TASKEXE_RUNNER_OF === undefined ? process.pid : process.ppid;

export default defineTask({
  type: "ledger",
  payload: v.object({
    /** How long the work takes, in ms. */
    ms: v.optional(v.number(), 0),
    /** The work also waits until a file of this path is there. */
    gate: v.optional(v.string()),
  }),
  async run({ payload, task, attempt, signal }) {
    const note = (what: string) => appendFileSync(LEDGER, `${what} ${task.id} ${EXECUTOR} ${attempt} ${Date.now()}\n`);
    note("start");
    try {
      if (payload.ms > 0) await sleep(payload.ms, signal);
      while (payload.gate !== undefined && !existsSync(payload.gate)) await sleep(10, signal);
    } catch (error) {
      note("stopped");
      throw error;
    }
    note("end");
  },
});

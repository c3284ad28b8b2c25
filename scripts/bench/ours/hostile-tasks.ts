/** The handlers of the hostile benchmark, as a user would write them. */
import { defineTask } from "taskexe";
import { doBadly, doWell } from "../hostile-deeds.ts";

export const good = defineTask({ type: "good", run: doWell });

export const bad = defineTask({
  type: "bad",
  attempts: 1,
  timeoutMs: 5_000,
  run: async ({ payload }) => {
    await doBadly(payload);
  },
});

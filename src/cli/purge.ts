/** `taskexe purge`: removes the records of ended tasks. Asks nothing; tells how many are gone. */

import { purgeMatching } from "../operations/bulk.ts";
import { withBroker } from "./client.ts";
import { usageError } from "./exit.ts";
import { choice, counted, settingsWithQueue, taskFlags } from "./filters.ts";
import type { Options } from "./flags.ts";
import { howMany } from "./how-many.ts";
import { sayIfLost } from "./outlets.ts";
import { printJson, printLine } from "./output.ts";

/** Runs the command. Returns the exit code. */
export async function purge(options: Options): Promise<number> {
  const state = choice(options, "state", ["done", "dead", "cancelled"], "purge");
  if (state === undefined) throw usageError("purge needs --state done, dead or cancelled", "purge");
  const filter = taskFlags(options, "purge");
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    const purged = await counted("purging", purgeMatching(broker, { ...filter, state }), scope);
    sayIfLost(`${purged} records are removed`);
    if (options.json) printJson({ purged });
    else printLine(`${howMany(purged, "record")} removed`);
    return 0;
  });
}

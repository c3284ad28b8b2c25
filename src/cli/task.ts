/**
 * `taskexe task ID`: everything the broker keeps about a task, its log included. How it is shown is in show-task.ts.
 */
import { withBroker } from "./client.ts";
import { CommandFailure } from "./exit.ts";
import { type Options, settingsOf } from "./flags.ts";
import { printFields, printJson } from "./output.ts";
import { taskFields } from "./show-task.ts";

/** Runs the command. Returns the exit code: 1 when no record is kept under that id. */
export async function task(id: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const record = await broker.record(id);
    if (record === null) throw new CommandFailure(`no record of a task ${JSON.stringify(id)} on ${broker.url}`);
    const logs = await broker.logs(id);
    if (options.json) printJson({ ...record, logs });
    else printFields(taskFields(record, logs));
    return 0;
  });
}

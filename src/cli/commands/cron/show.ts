/** `taskexe cron show`: one schedule and its last runs. */
import type { Command } from "commander";
import { findSchedule } from "../../../operations/schedules/schedule.ts";
import { UnknownScheduleError } from "../../../operations/schedules/schedule-control.ts";
import { scheduleView } from "../../../operations/views/schedule-view.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { printFields, printJson, printLine, printTable } from "../../output/print.ts";
import { CommandFailure } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";
import { NOTHING_KEPT, timeOf } from "./shown.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("show a schedule and its last runs")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await cronShow(name, options)));
}

/** Runs `cron show`. Returns the exit code. */
async function cronShow(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedule = await findSchedule(broker, name);
    if (schedule === null) throw new CommandFailure(new UnknownScheduleError(name).message);
    if (options.json) {
      printJson(scheduleView(schedule));
      return 0;
    }
    // The same names as in the JSON; what nobody said is left out.
    const { runs, ...view } = scheduleView(schedule);
    printFields(
      Object.entries(view)
        .filter(([, value]) => value !== null)
        .map(([key, value]) => [key, shown(key, value)] as const),
    );
    printLine("");
    if (runs.length === 0) printLine("it has not run yet");
    else
      printTable(
        ["run", "time", "state"],
        runs.map(({ id, at, state }) => [id, timeOf(at), state ?? NOTHING_KEPT]),
      );
    return 0;
  });
}

function shown(key: string, value: unknown): string {
  if (typeof value === "number" && key.endsWith("_at")) return timeOf(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

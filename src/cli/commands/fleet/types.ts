/** `taskexe types`: what the living executors tell of each type: what runs, how attempts end, how long they take. */
import type { Command } from "commander";
import { type SeenType, seenTypes } from "../../../operations/types.ts";
import { formatDuration } from "../../../task/times/durations.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { note, printJson, printTable } from "../../output/print.ts";
import { withBroker } from "../../process/with-broker.ts";

const HEAD = ["type", "executors", "running", "done/min", "failed/min", "done", "failed", "run p50/p95/p99"];

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("the types of the fleet: rates, failures, how long they run and wait")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await types(options)));
}

/** Runs the command. Returns the exit code. */
async function types(options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const seen = await seenTypes(broker, []);
    if (options.json) printJson(seen);
    else {
      printTable([...HEAD, "wait p50/p95/p99", ""], seen.types.map(rowOf));
      if (seen.more) note("taskexe: there are more types than executors name");
    }
    return 0;
  });
}

function rowOf(type: SeenType): (string | number)[] {
  return [
    ...[type.type, type.executors, type.running, type.done_per_minute, type.failed_per_minute],
    ...[type.done, type.retried + type.dead, percentiles(type.run_ms), percentiles(type.wait_ms)],
    type.paused ? "paused" : "",
  ];
}

/** `12ms/40ms/1.2s`; they are estimates, so that two or three digits say all. */
function percentiles(of: SeenType["run_ms"]): string {
  return of === null ? "-" : [of.p50, of.p95, of.p99].map(shortly).join("/");
}

function shortly(ms: number): string {
  if (ms < 10) return `${ms}ms`;
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  return ms < 60_000 ? `${Math.round(ms / 100) / 10}s` : formatDuration(Math.round(ms / 1_000) * 1_000);
}

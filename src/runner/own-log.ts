/**
 * What our own code logs in a runner, as that of a backoff function that gave no delay: it goes to the executor, whose
 * log it is, and which knows what of it is shown.
 */
import { configureSync, type LogRecord } from "@logtape/logtape";
import { shown } from "../concurrency/unknown-values.ts";
import type { FromRunner } from "../runner-protocol/messages.ts";
import type { Outbox } from "./outbox.ts";

type Line = Extract<FromRunner, { kind: "log" }>;

const LEVELS: Readonly<Record<LogRecord["level"], Line["level"]>> = {
  ...{ trace: "debug", debug: "debug", info: "info", warning: "warn", error: "error", fatal: "error" },
};

/** Called once. */
export function logToExecutor(outbox: Pick<Outbox, "say">): void {
  const sink = (record: LogRecord): void =>
    outbox.say({ kind: "log", level: LEVELS[record.level], text: textOfRecord(record) });
  configureSync({
    sinks: { executor: sink },
    loggers: [
      { category: ["taskexe"], lowestLevel: "debug", sinks: ["executor"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["executor"] },
    ],
  });
}

function textOfRecord({ message }: LogRecord): string {
  return message.map((part) => shown(part)).join("");
}

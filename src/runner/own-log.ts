/**
 * What our own code logs in a runner, as that of a backoff function that gave no delay: it goes to the executor, whose
 * log it is, and which knows what of it is shown. Before the hello nothing may be said, so that it waits until then.
 */
import { configureSync, type LogRecord } from "@logtape/logtape";
import { shown } from "../concurrency/unknown-values.ts";
import type { FromRunner } from "../runner-protocol/messages.ts";
import type { Outbox } from "./outbox.ts";

type Line = Extract<FromRunner, { kind: "log" }>;

const LEVELS: Readonly<Record<LogRecord["level"], Line["level"]>> = {
  ...{ trace: "debug", debug: "debug", info: "info", warning: "warn", error: "error", fatal: "error" },
};
/** So many lines wait for the hello. */
const MOST_EARLY = 1_000;

/** Called once. @returns what is to be called once the hello was said. */
export function logToExecutor(outbox: Pick<Outbox, "say">): () => void {
  let early: Line[] | null = [];
  const sink = (record: LogRecord): void => {
    const line: Line = { kind: "log", level: LEVELS[record.level], text: textOfRecord(record) };
    if (early === null) outbox.say(line);
    else if (early.length < MOST_EARLY) early.push(line);
  };
  configureSync({
    sinks: { executor: sink },
    loggers: [
      { category: ["taskexe"], lowestLevel: "debug", sinks: ["executor"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["executor"] },
    ],
  });
  return () => {
    for (const line of early ?? []) outbox.say(line);
    early = null;
  };
}

function textOfRecord({ message }: LogRecord): string {
  return message.map((part) => shown(part)).join("");
}

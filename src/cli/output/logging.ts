/**
 * Sets up the log of the process: to standard error, pretty or as JSON lines, colours only on a terminal,
 * priorities only for the journal.
 * A reader that stops reading cannot fill the memory: past a bound lines are dropped, and their number is told.
 */
import { configure, type LogRecord, type Sink, type TextFormatter } from "@logtape/logtape";
import { jsonFormat, prettyFormat } from "./log-format.ts";
import { type Outlet, standardError } from "./outlets.ts";

/** How many bytes may wait for the reader of standard error before lines are dropped. */
const MOST_WAITING_BYTES = 1024 * 1024;

/** Configures the log of this process; again: anew. `TASKEXE_DEBUG=1` shows debug lines and stacks. */
export async function setUpLogging(format: "pretty" | "json", environment = process.env): Promise<void> {
  const debug = environment.TASKEXE_DEBUG === "1";
  const colours = standardError.isTerminal && !environment.NO_COLOR;
  const formatter =
    format === "json"
      ? jsonFormat({ stacks: debug })
      : prettyFormat({ colours, stacks: debug, time: !standardError.isJournal });
  await configure({
    reset: true,
    sinks: { stderr: boundedSink(standardError, formatter) },
    loggers: [
      { category: ["taskexe"], lowestLevel: debug ? "debug" : "info", sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}

function boundedSink(outlet: Outlet, formatter: TextFormatter): Sink {
  let dropped = 0;
  return (record: LogRecord) => {
    if (outlet.waitingBytes > MOST_WAITING_BYTES) {
      dropped++;
      return;
    }
    if (dropped > 0) {
      outlet.writeLines("warning", formatter(linesLost(record, dropped)));
      dropped = 0;
    }
    outlet.writeLines(record.level, formatter(record));
  };
}

/** In the form of the log: whoever reads JSON lines reads this one, too. */
function linesLost({ timestamp }: LogRecord, count: number): LogRecord {
  return {
    category: ["taskexe", "log"],
    level: "warning",
    timestamp,
    message: ["", count, " log lines were dropped, since nobody read them"],
    rawMessage: "{count} log lines were dropped, since nobody read them",
    properties: { count },
  };
}

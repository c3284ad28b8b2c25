/** `taskexe audit`: who has changed what, by HTTP, the page and the command line; the newest first. */
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { auditPage, MOST_AUDIT_PAGE } from "../../../operations/audit/audit.ts";
import { parseDuration } from "../../../task/times/durations.ts";
import { type Options, settingsOf, text, withBrokerFlags } from "../../arguments/flags.ts";
import { printJson, printLine, printTable } from "../../output/print.ts";
import { usageError } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("tell who has changed what, the newest first")
    .option("--since <duration>", "only what is younger, like 1h or 2d")
    .option("--who <name>", "only by this token or user")
    .option("--what <operation>", "only this, as the API calls it: cancelTasks, purgeTasks")
    .option("--limit <number>", `how many (default: 100, at most ${MOST_AUDIT_PAGE})`, limitOf)
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await audit(options)));
}

/** Runs the command. Returns the exit code. */
async function audit(options: Options): Promise<number> {
  const since = text(options.since);
  const ageMs = since === undefined ? null : parseDuration(since);
  if (since !== undefined && ageMs === null) {
    throw usageError(`flag --since: expected a duration like 1h or 2d, got ${JSON.stringify(since)}`, "audit");
  }
  return withBroker(settingsOf(options), async (broker) => {
    const query = { who: text(options.who), what: text(options.what) };
    const limit = typeof options.limit === "number" ? options.limit : undefined;
    const begin = ageMs === null ? undefined : broker.now() - ageMs;
    const { entries, cursor } = await auditPage(broker, { ...query, since: begin, limit });
    if (options.json) printJson({ entries, cursor });
    else if (entries.length === 0) printLine("nothing was changed");
    else
      printTable(
        ["at", "who", "via", "from", "what", "of", "count", "outcome"],
        entries.map(({ at, who, via, from, what, of, count, outcome }) => [
          ...[new Date(at).toISOString(), who, via, from, what, shown(of), count ?? "?", outcome],
        ]),
      );
    return 0;
  });
}

function shown(of: Readonly<Record<string, unknown>>): string {
  return Object.entries(of)
    .map(([key, value]) => `${key}=${Array.isArray(value) ? value.join(",") : String(value)}`)
    .join(" ");
}

function limitOf(value: string): number {
  const limit = Number(value);
  if (/^\d{1,4}$/.test(value) && limit >= 1 && limit <= MOST_AUDIT_PAGE) return limit;
  throw new InvalidArgumentError(`A number from 1 to ${MOST_AUDIT_PAGE} is expected.`);
}

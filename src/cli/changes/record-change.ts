/** Records what a command has changed: by which user of the system, on which machine. */
import { hostname, userInfo } from "node:os";
import type { Broker } from "../../broker/broker.ts";
import { type AuditEntry, formatEntry, toldOf } from "../../operations/audit/audit.ts";
import { note } from "../output/print.ts";
import { describe } from "../output/report-failure.ts";

/** What was changed: the operation as the API calls it, which tasks were meant, and how many it were. */
export interface MadeChange {
  readonly what: string;
  readonly of: object;
  readonly count: number;
  readonly outcome?: AuditEntry["outcome"];
}

/** Never rejects: the change is made. */
export async function recordChange(
  broker: Pick<Broker, "audit">,
  { what, of, count, outcome = "done" }: MadeChange,
): Promise<void> {
  try {
    const entry = {
      who: userName(),
      via: "command line",
      from: hostname(),
      what,
      of: toldOf(of),
      count,
      outcome,
    } as const;
    await broker.audit.add([formatEntry(entry)]);
  } catch (error) {
    note(`taskexe: the change is made, and could not be recorded: ${describe(error).join("; ")}`, "warning");
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // It has no entry among the users of the machine.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

/** The same for a change to many, of which it is known at the end how many it were. */
export function recordOf(broker: Pick<Broker, "audit">, what: string, of: MadeChange["of"]) {
  return (count: number, isWhole: boolean): Promise<void> =>
    recordChange(broker, { what, of, count, outcome: isWhole ? "done" : "stopped" });
}

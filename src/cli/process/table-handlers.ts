/** The handlers that the configuration file defines, as an executor has them. */
import type { HandlerTables } from "../../config/tables/handler-tables.ts";
import { CommandFailure, EXIT_USAGE } from "./exit.ts";

/** @throws CommandFailure for a table whose kind this version cannot run: its tasks would wait for ever. */
export function refuseUnrun({ workers, execs, https }: HandlerTables): void {
  const [first] = [...workers, ...execs, ...https];
  if (first === undefined) return;
  throw new CommandFailure(`${first.origin}: this version reads such tables, and cannot run them yet`, EXIT_USAGE);
}

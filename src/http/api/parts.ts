/** What the API stands on, handed in by whoever serves it. */
import type { Broker } from "../../broker/broker.ts";
import type { Alert } from "../../executor/alerts/board.ts";
import type { HandlerManifest } from "../../handlers/handler.ts";
import type { History } from "../../metrics/history.ts";
import type { AuditLog } from "../../operations/audit/audit-log.ts";
import type { EventHub } from "./events/event-hub.ts";
import type { AccessOptions } from "./guard/access.ts";

/** What the routes are given of it: their broker comes with each call. */
export type RouteParts = Omit<ApiParts, "broker" | "token" | "tokens">;

export interface ApiParts extends AccessOptions {
  /** The executor's own. */
  readonly broker: Broker;
  /** How long records are kept where a task does not say, in ms. */
  readonly retentionMs: number;
  /** How many priorities the fleet has; default 2. */
  readonly priorities?: number | undefined;
  /** What is known of the handler of a type; absent where no handlers are known. */
  readonly handlerOf?: (type: string) => HandlerManifest | undefined;
  /** Whether the handlers are not loaded yet, so that nothing is known of any type. Absent: they are. */
  readonly isStarting?: () => boolean;
  /** Told how many tasks were enqueued into a queue by this API. */
  readonly enqueued?: (queue: string, count: number) => void;
  /** The types that this executor has; absent where none are known. */
  readonly types?: () => readonly string[];
  /** Records changes; whoever serves runs it. Absent: what comes in masses is kept with the next change. */
  readonly audit?: AuditLog;
  /** The alerts that this executor sees; absent: none are looked for. */
  readonly alerts?: { readonly firing: readonly Alert[] };
  /** What has happened in the fleet. Absent: nobody keeps that. */
  readonly history?: History | undefined;
  /** What tells of changes; whoever serves runs it. Absent: there are no events. */
  readonly events?: EventHub;
  /** Ends the watches when it aborts. */
  readonly signal: AbortSignal;
}

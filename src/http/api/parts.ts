/** What the API stands on, handed in by whoever serves it. */
import type { Broker } from "../../broker/broker.ts";

export interface ApiParts {
  /** The executor's own. */
  readonly broker: Broker;
  /** Every call needs it; null: see guard.ts. */
  readonly token: string | null;
  /** How long records are kept where a task does not say, in ms. */
  readonly retentionMs: number;
  /** Ends the watches when it aborts. */
  readonly signal: AbortSignal;
}

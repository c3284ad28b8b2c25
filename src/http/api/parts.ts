/** What the API stands on, handed in by whoever serves it. */
import type { Broker } from "../../broker/broker.ts";
import type { TaskDefinition } from "../../handlers/define-task.ts";
import type { EnqueueDefaults } from "../../task/enqueue-defaults.ts";

/** What the API needs of a definition. */
export type KnownDefinition = EnqueueDefaults & Pick<TaskDefinition, "retentionMs" | "payload">;

export interface ApiParts {
  /** The executor's own. */
  readonly broker: Broker;
  /** Every call needs it; null: see guard.ts. */
  readonly token: string | null;
  /** How long records are kept where a task does not say, in ms. */
  readonly retentionMs: number;
  /** How many priorities the fleet has; default 2. */
  readonly priorities?: number | undefined;
  /** What the definition of a type says of its tasks; absent where no handlers are known. */
  readonly definitionOf?: (type: string) => KnownDefinition | undefined;
  /** Ends the watches when it aborts. */
  readonly signal: AbortSignal;
}

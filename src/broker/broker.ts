/**
 * The broker contract: where tasks wait and how an executor takes, keeps and ends them, in parts by role (contract/).
 * Batch first: every hot call takes and gives arrays. Each driver implements it (drivers.ts), and one contract suite
 * fixes it.
 * Every method rejects with BrokerUnavailableError while the broker is away or refuses, and is safe to call again.
 */
import type { Admin } from "./contract/admin.ts";
import type { Audit, AuditLimits } from "./contract/audit.ts";
import type { Connection } from "./contract/connection.ts";
import type { Consumer } from "./contract/consumer.ts";
import type { Fleet } from "./contract/fleet.ts";
import type { Locks } from "./contract/locks.ts";
import type { ManyChanges } from "./contract/many-changes.ts";
import type { LookFor, Producer } from "./contract/producer.ts";
import type { MoveIn } from "./contract/sources.ts";

export type { QueueCounts } from "./contract/admin.ts";
export * from "./contract/connection.ts";
export * from "./contract/consumer.ts";
export * from "./contract/fleet.ts";
export * from "./contract/producer.ts";

export interface BrokerOptions {
  /** The executor's name, the owner of what it claims. Clients pass null: they cannot claim. */
  readonly executor: string | null;
  readonly queues: readonly string[];
  /** How many priorities there are: 0..priorities-1. Default 2. */
  readonly priorities?: number;
  /** How long a claim is held without a renewal, in ms. */
  readonly leaseMs: number;
  /** After how long without a beat an executor is expelled, in ms. Default 120 000. */
  readonly heartbeatTimeoutMs?: number;
  /** How many dead tasks are kept in a queue, and how long, in ms. Defaults 10 000 and 30 days. */
  readonly deadLimit?: number;
  readonly deadRetentionMs?: number;
  /** How many done, and how many cancelled tasks are kept in a queue; 0: any number. Default 100 000 each. */
  readonly doneLimit?: number;
  readonly cancelledLimit?: number;
  /** After how long without use an empty queue is removed, in ms. Default: a day. */
  readonly queueUnusedMs?: number;
  /**
   * How many bytes of tasks' logs are kept in a queue, the oldest logs go first; 0: any number. Default 256 000 000.
   */
  readonly logBytes?: number;
  /** How much of the record of changes is kept; default: as contract/audit.ts says. */
  readonly auditLimits?: AuditLimits;
}

export interface Broker extends Producer, Consumer, Admin, Fleet, Connection {
  /** The name of its driver. */
  readonly kind: string;
  /** Those that users take. */
  readonly locks: Locks;
  /** Who has changed what. */
  readonly audit: Audit;
  /** Absent: each task that waits or runs has a record. */
  readonly lookFor?: LookFor;
  /** Absent: it has no keys from which tasks could be moved in. */
  readonly moveIn?: MoveIn;
  /** Absent: changes to many are lists, and changes of what they give. */
  readonly many?: ManyChanges;
}

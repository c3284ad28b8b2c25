/**
 * Writes the record of changes for a process that makes many: a change by hand at once, before it is answered; what
 * comes
 * in masses (enqueues, refusals) is added up for some seconds, one entry for each who, what and where. A record that
 * cannot be written holds nothing up: the log tells it.
 */
import { getLogger } from "@logtape/logtape";
import type { Broker } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";
import { type AuditEntry, formatEntry } from "./audit.ts";

const log = getLogger(["taskexe", "audit"]);

/** How long what comes in masses is added up, in ms, and in how many entries at the most. */
const GATHERED_MS = 5_000;
const MOST_GATHERED = 200;

export class AuditLog {
  readonly #broker: Pick<Broker, "audit">;
  /** By all that they have in common. */
  readonly #gathered = new Map<string, AuditEntry>();

  constructor(broker: Pick<Broker, "audit">) {
    this.#broker = broker;
  }

  /** Keeps it, behind what was gathered. Never rejects. */
  async keep(entry: AuditEntry): Promise<void> {
    await this.#write([...this.#takeGathered(), entry]);
  }

  /** Adds it to what is alike. What has no place any more is counted under the same operation, without its details. */
  gather(entry: AuditEntry): void {
    const key = keyOf(entry);
    const isPlace = this.#gathered.has(key) || this.#gathered.size < MOST_GATHERED;
    const counted: AuditEntry = isPlace ? entry : { ...entry, who: "others", from: "", of: {} };
    const before = this.#gathered.get(keyOf(counted));
    this.#gathered.set(keyOf(counted), { ...counted, count: (before?.count ?? 0) + (entry.count ?? 1) });
  }

  /** Keeps what was gathered. Never rejects. */
  async flush(): Promise<void> {
    const entries = this.#takeGathered();
    if (entries.length > 0) await this.#write(entries);
  }

  /** Keeps it now and then, and once more at the end. @throws (rejects) the signal's reason. */
  async run(signal: AbortSignal): Promise<never> {
    try {
      for (;;) {
        await sleep(GATHERED_MS, signal);
        await this.flush();
      }
    } finally {
      await this.flush();
    }
  }

  #takeGathered(): AuditEntry[] {
    const entries = [...this.#gathered.values()];
    this.#gathered.clear();
    return entries;
  }

  async #write(entries: readonly AuditEntry[]): Promise<void> {
    try {
      await this.#broker.audit.add(entries.map(formatEntry));
    } catch (error) {
      for (const { who, what, of, count, outcome } of entries) {
        log.warn("{what} of {of} by {who} ({outcome}, {count}) could not be recorded: {error}", {
          ...{ what, of: JSON.stringify(of), who, outcome, count, error },
        });
      }
    }
  }
}

function keyOf({ who, via, from, what, of, outcome }: AuditEntry): string {
  return JSON.stringify([who, via, from, what, of, outcome]);
}

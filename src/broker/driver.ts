/**
 * What a driver tells of itself before it is loaded: which addresses are its own, what is wrong with one, what an error
 * means. Everything that knows a broker by its kind stands behind this; the rest of the program asks drivers.ts.
 */
import type { Broker, BrokerOptions } from "./broker.ts";

export interface Driver {
  /** As /status tells it. */
  readonly name: string;
  /** How its addresses begin, in lower case, up to the colon: `sqlite:`. */
  readonly schemes: readonly string[];
  /** The same as people write them, for an error. */
  readonly beginnings: readonly string[];
  /** Its addresses, for an error and for the help. */
  readonly forms: readonly string[];
  /** Those of its schemes behind which a user and a password can stand. */
  readonly secretSchemes: readonly string[];
  /** Those behind which nothing but a path stands where there is neither "@" nor "?". */
  readonly pathSchemes: readonly string[];

  /** What is expected in place of this address, which begins as one of its own; null: nothing, or `create` tells. */
  problem(address: string): string | null;
  /**
   * The file that an address names, absolute. Absent: its addresses name none.
   *
   * @throws BrokerUrlError where the address names no file that could be.
   */
  fileOf?(address: string): string;
  /** The address as settings hold it, whose relative path counts from `folder`; `~/` stays. Absent: it stays. */
  from?(address: string, folder: string): string;
  /** The address of a file that is made where nobody names a broker. Absent: it cannot serve as that. */
  embedded?(path: string): string;
  /** Whether its brokers can move tasks in from keys (`[source.NAME]`). Absent: they cannot. */
  readonly hasKeySources?: boolean;
  /** The same text for two addresses, as a broker shows them, of one place. */
  placeOf(url: string): string;
  /** Lines for people about an error of its server; null: it is none of those. */
  advise(error: Error): readonly string[] | null;
  /** Whether an error says that something else stands where a task or a queue should. */
  isConflict(error: Error): boolean;

  /** Nothing is connected yet. @throws (rejects) BrokerUrlError when the address cannot be read. */
  create(address: string, options: BrokerOptions): Promise<Broker>;
}

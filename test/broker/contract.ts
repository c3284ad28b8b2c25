/**
 * The contract of src/broker/broker.ts in sentences, written once and run over every broker. What it does not fix is
 * the implementation's own.
 */
import { cancelSentences } from "./contract/cancels.ts";
import { claimSentences } from "./contract/claims.ts";
import { completionSentences } from "./contract/completions.ts";
import { enqueueSentences } from "./contract/enqueue.ts";
import { fleetSentences } from "./contract/fleet.ts";
import { type MakeHarness, sentences } from "./contract/harness.ts";
import { leaseSentences } from "./contract/leases.ts";

/** Registers the whole suite. `makeHarness` gives fresh data for each test. */
export function brokerContract(name: string, makeHarness: MakeHarness): void {
  const sentence = sentences(name, makeHarness);
  enqueueSentences(sentence);
  claimSentences(sentence);
  completionSentences(sentence);
  leaseSentences(sentence);
  cancelSentences(sentence);
  fleetSentences(sentence);
}

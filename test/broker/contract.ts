/**
 * The contract of src/broker/broker.ts in sentences, written once and run over every broker. What it does not fix is
 * the implementation's own.
 */

import { type MakeHarness, sentences } from "../stage/sentences.ts";
import { attemptErrorSentences } from "./contract/attempt-errors.ts";
import { auditSentences } from "./contract/audit.ts";
import { cancelSentences } from "./contract/cancels.ts";
import { claimSentences } from "./contract/claims.ts";
import { completionSentences } from "./contract/completions.ts";
import { editSentences } from "./contract/edits.ts";
import { enqueueSentences } from "./contract/enqueue.ts";
import { fleetSentences } from "./contract/fleet.ts";
import { followUpSentences } from "./contract/follow-ups.ts";
import { leaseSentences } from "./contract/leases.ts";
import { listBytesSentences } from "./contract/list-bytes.ts";
import { listSentences } from "./contract/lists.ts";
import { lockSentences } from "./contract/locks.ts";
import { logSentences } from "./contract/logs.ts";
import { orderSentences } from "./contract/order.ts";
import { executorOrderSentences } from "./contract/orders.ts";
import { pauseSentences } from "./contract/pauses.ts";
import { purgeSentences } from "./contract/purges.ts";
import { queueSentences } from "./contract/queues.ts";
import { removalSentences } from "./contract/removal.ts";
import { retrySentences } from "./contract/retries.ts";
import { runningSentences } from "./contract/running.ts";
import { scheduleSentences } from "./contract/schedules.ts";
import { uniqueSentences } from "./contract/unique.ts";

/** Registers the whole suite. `makeHarness` gives fresh data for each test. */
export function brokerContract(name: string, makeHarness: MakeHarness): void {
  const sentence = sentences(name, makeHarness);
  editSentences(sentence);
  auditSentences(sentence);
  enqueueSentences(sentence);
  claimSentences(sentence);
  completionSentences(sentence);
  attemptErrorSentences(sentence);
  runningSentences(sentence);
  leaseSentences(sentence);
  cancelSentences(sentence);
  fleetSentences(sentence);
  followUpSentences(sentence);
  listSentences(sentence);
  listBytesSentences(sentence);
  lockSentences(sentence);
  logSentences(sentence);
  executorOrderSentences(sentence);
  orderSentences(sentence);
  pauseSentences(sentence);
  purgeSentences(sentence);
  queueSentences(sentence);
  removalSentences(sentence);
  retrySentences(sentence);
  scheduleSentences(sentence);
  uniqueSentences(sentence);
}

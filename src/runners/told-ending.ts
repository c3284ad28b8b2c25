/** How a runner says that a run has ended -> the ending of its attempt. */
import { clip } from "../concurrency/unknown-values.ts";
import { MAX_ERROR_MESSAGE } from "../handlers/error-record.ts";
import type { HandlerEnding } from "../handlers/handler.ts";
import { readResult } from "../handlers/in-process/read-result.ts";
import type { FromRunner } from "../runner-protocol/messages.ts";
import { recordOfWire } from "../runner-protocol/wire-error.ts";

const DONE_WITH_NOTHING: HandlerEnding = Object.freeze({ kind: "done", result: null, omitted: null });

export function endingOf(message: Extract<FromRunner, { kind: "done" | "failed" }>): HandlerEnding {
  if (message.kind === "done") {
    const { omitted: left } = message;
    if (left !== undefined) return { kind: "done", result: null, omitted: clip(left, MAX_ERROR_MESSAGE) };
    if (message.result === undefined) return DONE_WITH_NOTHING;
    const { json, omitted } = readResult(message.result);
    return { kind: "done", result: json, omitted };
  }
  const { error, retry, retry_in_ms: retryInMs = null, later } = message;
  return { kind: "failed", error: recordOfWire(error), retry, retryInMs, later: later && retryInMs !== null };
}

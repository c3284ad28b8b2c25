/** An error as a runner tells it <-> the record that is kept, within the bounds of records. */
import { clip } from "../concurrency/unknown-values.ts";
import { MAX_ERROR_DEPTH, MAX_ERROR_MESSAGE, MAX_ERROR_PARTS, MAX_ERROR_STACK } from "../handlers/error-record.ts";
import type { ErrorRecord } from "../task/record/record.ts";
import type { WireError } from "./messages.ts";

const MAX_NAME = 200;

interface Node {
  readonly from: WireError;
  readonly depth: number;
  readonly record: { name: string; message: string; stack?: string; parts?: ErrorRecord[] };
}

/** Level by level, as for errors of our own: where not all fit, those near the top tell more. */
export function recordOfWire(error: WireError): ErrorRecord {
  const root = nodeOf(error, 0);
  const queue = [root];
  let left = MAX_ERROR_PARTS;
  for (const node of queue) {
    const errors = node.from.errors ?? [];
    const kept = errors.slice(0, node.depth < MAX_ERROR_DEPTH ? left : 0).map((part) => nodeOf(part, node.depth + 1));
    queue.push(...kept);
    left -= kept.length;
    const cut = errors.length - kept.length;
    const parts: ErrorRecord[] = kept.map(({ record }) => record);
    if (cut > 0)
      parts.push({ name: "Note", message: `${cut} more ${cut === 1 ? "error was" : "errors were"} left out` });
    if (parts.length > 0) node.record.parts = parts;
    else if (node.record.message === "") node.record.message = "an error without a message";
  }
  return root.record;
}

function nodeOf(from: WireError, depth: number): Node {
  const record: Node["record"] = {
    name: clip(from.name, MAX_NAME) || "Error",
    message: clip(from.message, MAX_ERROR_MESSAGE),
  };
  if (from.stack !== undefined) record.stack = clip(from.stack, MAX_ERROR_STACK);
  return { from, depth, record };
}

/** The same the other way round. */
export function wireOfRecord({ name, message, stack, parts }: ErrorRecord): WireError {
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(parts === undefined ? {} : { errors: parts.map(wireOfRecord) }),
  };
}

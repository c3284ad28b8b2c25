/**
 * Messages -> lines, within the bounds. A payload or a foreign message is forwarded as the text that it came in,
 * unparsed: what a producer wrote is what its handler reads.
 */
import { MAX_LINE_FROM_RUNNER, MAX_LINE_TO_RUNNER } from "./limits.ts";
import type { FromRunner, ToRunner } from "./messages.ts";

/** A message does not fit into a line of the protocol. */
export class MessageTooLongError extends Error {
  override readonly name = "MessageTooLongError";
}

type Run = Extract<ToRunner, { kind: "run" }>;

/** An attempt, whose payload is JSON text: `payload`, or `message` for a task that another producer wrote. */
export interface RunOfText extends Omit<Run, "kind" | "payload" | "task"> {
  readonly task: Omit<Run["task"], "message">;
  readonly text: { readonly payload: string } | { readonly message: string };
}

/**
 * Its kind and its number come first, whatever their order was: a shell script can read those without JSON.
 *
 * @throws MessageTooLongError; TypeError for what is no JSON.
 */
export function encodeToRunner(message: Exclude<ToRunner, { kind: "run" }>): string {
  return lineOf(JSON.stringify(inOrder(message)), MAX_LINE_TO_RUNNER);
}

function inOrder(message: Exclude<ToRunner, { kind: "run" }>): object {
  const { kind } = message;
  if ("run" in message) return Object.assign({ kind, run: message.run }, message);
  return "ask" in message ? Object.assign({ kind, ask: message.ask }, message) : message;
}

/** @throws MessageTooLongError; TypeError for what is no JSON. */
export function encodeFromRunner(message: FromRunner): string {
  return lineOf(JSON.stringify(message), MAX_LINE_FROM_RUNNER);
}

/**
 * @param about - its text must be valid JSON: it is not looked at.
 * @throws MessageTooLongError.
 */
export function encodeRun(about: RunOfText): string {
  // By hand: it is written for each attempt.
  const { run, task, attempt, crashes, asks_for_delay: asks, deadline_in_ms: deadlineInMs, text } = about;
  const { trace, tracestate } = about;
  const deadline = deadlineInMs === undefined ? "" : `,"deadline_in_ms":${deadlineInMs}`;
  const state = tracestate === undefined ? "" : `,"tracestate":${JSON.stringify(tracestate)}`;
  const traced = trace === undefined ? "" : `,"trace":${JSON.stringify(trace)}${state}`;
  const numbers = `"run":${run},"attempt":${attempt},"crashes":${crashes},"asks_for_delay":${asks}`;
  const { id, type, queue, priority, queued_at: queuedAt } = task;
  const names = `{"id":${quoted(id)},"type":${quoted(type)},"queue":${quoted(queue)}`;
  const own = `${names},"priority":${priority},"queued_at":${queuedAt}`;
  const head = `{"kind":"run",${numbers}${deadline}${traced},"task":${own}`;
  const whole =
    "payload" in text ? `${head}},"payload":${oneLine(text.payload)}}` : `${head},"message":${oneLine(text.message)}}}`;
  return lineOf(whole, MAX_LINE_TO_RUNNER);
}

/** Names stand in JSON as they are, but for unusual ones. */
const PLAIN = /^[\w.:@/ -]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** JSON has line breaks between its tokens alone: within a text they are escaped. */
function oneLine(json: string): string {
  return json.includes("\n") ? json.replaceAll("\n", " ") : json;
}

function lineOf(json: string, limit: number): string {
  // A character takes one byte to three.
  if (json.length * 3 + 1 > limit && Buffer.byteLength(json) + 1 > limit) {
    throw new MessageTooLongError(`a message of ${Buffer.byteLength(json)} bytes does not fit into ${limit}`);
  }
  return `${json}\n`;
}

/** From an answer to how the attempt ended: what its status means, when to come again, and its body as the result. */
import type { IncomingHttpHeaders } from "node:http";
import { clip } from "../../concurrency/unknown-values.ts";
import { MAX_DURATION_MS } from "../../task/limits.ts";
import { oneLine } from "../../task/text/json-text.ts";
import { printable } from "../../task/text/printable.ts";
import type { HandlerEnding } from "../handler.ts";
import { keepResult, omit, type ResultReading } from "../in-process/read-result.ts";
import { problemOfJson } from "../json-problem.ts";

/** An answer, as far as it was read. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Uint8Array;
  /** Whether its body is longer than that. */
  readonly isCut: boolean;
}

/** So much of a body stands in an error, in characters. */
const MOST_SHOWN = 1_000;
/** A time that has passed already is "at once"; who says so again and again is asked once a second. */
const LEAST_LATER_MS = 1_000;

/**
 * What the answer means.
 *
 * @param request - what was sent, for errors: `POST https://example.com`.
 * @param hide - takes out of a text of the other side what is secret.
 */
export function endingOf(answer: Answer, request: string, hide: (text: string) => string): HandlerEnding {
  const { status, headers } = answer;
  if (status >= 200 && status <= 299) return doneWith(answer);
  const said = `${request} answered ${status} ${describe(answer)}`.trimEnd();
  const message = hide(said);
  const laterMs = status === 429 || status === 503 ? retryAfterMs(headers) : null;
  if (laterMs !== null) return failedFor(message, { retryInMs: laterMs, later: true });
  return failedFor(message, { retry: status >= 500 || status === 429 });
}

export function failedFor(
  message: string,
  how: Partial<Pick<Extract<HandlerEnding, { kind: "failed" }>, "retry" | "retryInMs" | "later">>,
): HandlerEnding {
  const error = { name: "HttpError", message };
  return { kind: "failed", error, retry: true, retryInMs: null, later: false, ...how };
}

/**
 * When to come again, in ms, by `Retry-After`: seconds, or a date, which counts from the answer's own clock where it
 * has one. Null: it does not say, or nothing that can be read.
 */
export function retryAfterMs(headers: IncomingHttpHeaders): number | null {
  const given = headers["retry-after"]?.trim() ?? "";
  if (/^\d{1,12}$/.test(given)) return bounded(Number(given) * 1_000);
  const at = dateOf(given);
  if (at === null) return null;
  return bounded(at - (dateOf(headers.date?.trim() ?? "") ?? Date.now()));
}

function bounded(ms: number): number {
  return Math.min(Math.max(ms, LEAST_LATER_MS), MAX_DURATION_MS);
}

/** A date of HTTP, in each of its three forms (RFC 9110, 5.6.7), as Unix ms. */
function dateOf(text: string): number | null {
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? [\w :-]{10,40}$/.test(text)) return null;
  const at = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(at) ? null : at;
}

function doneWith(answer: Answer): HandlerEnding {
  const { json, omitted } = resultOf(answer);
  return { kind: "done", result: json, omitted };
}

/** A body that is JSON is the result, whatever it is called; one that is not is told of where it is called JSON. */
function resultOf({ headers, bytes, isCut }: Answer): ResultReading {
  const { "content-encoding": encoding = "identity", "content-type": type = "" } = headers;
  if (bytes.byteLength === 0) return NO_RESULT;
  if (encoding.toLowerCase() !== "identity") return omit(`the answer is packed as ${shown(encoding, 40)}, unasked`);
  if (isCut) return omit(`the answer is longer than ${bytes.byteLength} bytes`);
  const json = textOf(bytes);
  const problem = json === null ? "it is not UTF-8" : problemOfJson(json);
  if (json !== null && problem === null) return keepResult(oneLine(json));
  return /^application\/(?:[\w.+-]{1,100}\+)?json\b/i.test(type) ? omit(`the answer: ${problem}`) : NO_RESULT;
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The words of the status, and how the body begins. */
function describe({ statusText, headers, bytes }: Answer): string {
  const { "content-encoding": encoding = "identity" } = headers;
  const body = encoding.toLowerCase() === "identity" ? shown(new TextDecoder().decode(bytes), MOST_SHOWN) : "";
  const words = shown(statusText, 100);
  return body === "" ? words : `${words}: ${body}`;
}

function shown(text: string, most: number): string {
  return printable(clip(oneLine(text), most));
}

const NO_RESULT: ResultReading = Object.freeze({ json: null, omitted: null });

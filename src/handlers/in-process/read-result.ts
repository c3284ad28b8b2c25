/**
 * Turns what a handler returned into the JSON of its result: any JSON value, up to 1 MiB and to the depth of payloads.
 * The work is done by then, so a value that cannot be kept costs the task its result and nothing else.
 */
import { jsonOf } from "../../concurrency/unknown-values.ts";
import { MAX_RESULT_LENGTH } from "../../task/limits.ts";
import { isTooDeep } from "../../task/message/message.ts";
import { MAX_MESSAGE_DEPTH } from "../../task/message/message-schema.ts";

/** Either the JSON of the result (null: the handler returned nothing), or why there is none. */
export interface ResultReading {
  readonly json: string | null;
  readonly omitted: string | null;
}

const NOTHING: ResultReading = Object.freeze({ json: null, omitted: null });

/** Never throws, whatever was returned. */
export function readResult(value: unknown): ResultReading {
  if (value === undefined) return NOTHING;
  const written = jsonOf(value);
  if (!written.ok) return omit(`it cannot be written as JSON: ${written.reason}`);
  const { json } = written;
  if (json === undefined) return omit(`it must be a JSON value, got a ${typeof value}`);
  return keepResult(json);
}

/** The same for what is JSON already. */
export function keepResult(json: string): ResultReading {
  if (json.length > MAX_RESULT_LENGTH) {
    const most = `at most ${MAX_RESULT_LENGTH} are kept: store it elsewhere and return where it is`;
    return omit(`it is ${json.length} characters of JSON; ${most}`);
  }
  if (isTooDeep(json)) return omit(`it is nested deeper than ${MAX_MESSAGE_DEPTH} levels`);
  return { json, omitted: null };
}

/** There is one that cannot be kept, for this reason. */
export function omit(reason: string): ResultReading {
  return { json: null, omitted: `the result was left out: ${reason}` };
}

/** Turns what a handler returned into the JSON of its result: any JSON value, up to 1 MB. */

/** The longest result, in UTF-16 code units of its JSON: 1 MiB. */
export const MAX_RESULT_LENGTH = 1024 * 1024;

/** The handler's return value cannot be kept as a result: trying again cannot help. */
export class ResultError extends Error {
  override readonly name = "ResultError";
}

/** `json` is null where the handler returned nothing. */
export type ResultReading =
  | { readonly ok: true; readonly json: string | null }
  | { readonly ok: false; readonly error: Error };

export function readResult(value: unknown): ResultReading {
  if (value === undefined) return { ok: true, json: null };
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    return refuse(`the result cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (json === undefined) return refuse(`the result must be a JSON value, got a ${typeof value}`);
  if (json.length <= MAX_RESULT_LENGTH) return { ok: true, json };
  return refuse(
    `the result is ${json.length} characters of JSON; at most ${MAX_RESULT_LENGTH} are kept: store it elsewhere and return where it is`,
  );
}

function refuse(message: string): ResultReading {
  const error = new ResultError(message);
  delete error.stack;
  return { ok: false, error };
}

/** From what left an attempt's nursery to the failure that users read: a group of one is that one. */
import { NurseryError } from "../../concurrency/index.ts";
import { errorsIn, isInstance } from "../../concurrency/unknown-values.ts";

/** Groups of one stand in one another as nurseries do; a group that holds itself would go on for ever. */
const MAX_NESTING = 1_000;

/** The single error of a nursery's group, however deep; a real group stays whole. */
export function unwrapFailure(error: unknown): unknown {
  let inner = error;
  for (let level = 0; level < MAX_NESTING && isInstance(inner, NurseryError); level++) {
    const errors = errorsIn(inner);
    if (errors.length !== 1) break;
    inner = errors[0];
  }
  return inner;
}

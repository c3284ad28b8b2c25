/** From what left an attempt's nursery to the failure that users read: a group of one is that one. */
import { NurseryError } from "../concurrency/index.ts";

/** The single error of a nursery's group, however deep; a real group stays whole. */
export function unwrapFailure(error: unknown): unknown {
  let inner = error;
  while (inner instanceof NurseryError && inner.errors.length === 1) inner = inner.errors[0];
  return inner;
}

/**
 * What is known of the types that this executor has loaded: a payload that its handler would refuse is refused where it
 * comes in, so that its sender learns it at once. Of types that are not loaded here nothing is known.
 */
import { getLogger } from "@logtape/logtape";
import type { HandlerManifest } from "../handlers/handler.ts";
import type { KnownType } from "../operations/prepare.ts";

const logger = getLogger(["taskexe", "executor"]);

/** What the handler of a type says; undefined where it is not loaded here. */
export function knownTypeOf(manifest: HandlerManifest | undefined): KnownType | undefined {
  if (manifest === undefined) return undefined;
  const { type, options, checkPayload } = manifest;
  return checkPayload === null ? { options } : { options, refuse: (payload) => refusal(type, checkPayload, payload) };
}

async function refusal(
  type: string,
  check: NonNullable<HandlerManifest["checkPayload"]>,
  payload: unknown,
): Promise<string | null> {
  try {
    const read = await check(payload);
    return read.ok ? null : read.error.message;
  } catch (error) {
    // A check that fails has refused nothing: the attempt makes it again, and is tried again where it fails.
    logger.warn("The schema of {type} threw while a payload was checked: {error}", { type, error });
    return null;
  }
}

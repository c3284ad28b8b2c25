/** How the API checks a payload against the schema of its type, where this executor has loaded that. */
import * as v from "valibot";
import { knownTypeOf } from "../../executor/known-type.ts";
import type { KnownType } from "../../operations/prepare.ts";
import { PAYLOAD_REFUSED_CODE } from "./api-error.ts";
import type { ApiParts } from "./parts.ts";
import type { Answer } from "./route.ts";

/** The answer, as it is described. */
export const PAYLOAD_REFUSED: Answer = {
  description: "the schema of the type refuses the payload; the message has each path. Nothing is enqueued or stored",
  schema: v.object({ error: v.object({ code: v.literal(PAYLOAD_REFUSED_CODE), message: v.string() }) }),
};

/** What the handler of a type says; undefined where it is not loaded here. */
export function knownType({ handlerOf }: Pick<ApiParts, "handlerOf">, type: string): KnownType | undefined {
  return knownTypeOf(handlerOf?.(type));
}

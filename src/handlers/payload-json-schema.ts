/**
 * The JSON Schema of a payload's schema, for those that others read: of valibot by @valibot/to-json-schema, of any
 * other library by the interface Standard JSON Schema (https://standardschema.dev/json-schema), where it has that.
 * What a payload must be is decided by the schema itself; this only tells of it, so whatever goes wrong gives nothing.
 */
import type { GenericSchema } from "valibot";
import { isObject, jsonOf, read } from "../concurrency/unknown-values.ts";
import type { PayloadSchema } from "../task/message/payload-schema.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

const TARGET = "draft-2020-12";
/** A longer one is not told, in characters of JSON. */
const MAX_LENGTH = 64 * 1024;

/** Null: it gives none. Never rejects. */
export async function jsonSchemaOf(schema: PayloadSchema): Promise<JsonSchema | null> {
  try {
    return checked(schema["~standard"].vendor === "valibot" ? await ofValibot(schema) : ofStandard(schema));
  } catch {
    return null;
  }
}

async function ofValibot(schema: PayloadSchema): Promise<unknown> {
  const { toJsonSchema } = await import("@valibot/to-json-schema");
  // It says that it is valibot's, and whatever else it is becomes an error there.
  return toJsonSchema(schema as unknown as GenericSchema, { target: TARGET, typeMode: "input", errorMode: "ignore" });
}

function ofStandard(schema: PayloadSchema): unknown {
  const converter = read(schema["~standard"], "jsonSchema");
  const input = isObject(converter) ? read(converter, "input") : undefined;
  return typeof input === "function" ? Reflect.apply(input, converter, [{ target: TARGET }]) : null;
}

function checked(given: unknown): JsonSchema | null {
  if (!isObject(given) || Array.isArray(given)) return null;
  const written = jsonOf(given);
  if (!written.ok || written.json === undefined || written.json.length > MAX_LENGTH) return null;
  const schema: unknown = JSON.parse(written.json);
  return isObject(schema) && !Array.isArray(schema) ? { ...schema } : null;
}

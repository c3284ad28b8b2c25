/**
 * The JSON Schema of a valibot schema, for the description of the API. The conversion is @valibot/to-json-schema's;
 * what our schemas mean beyond that is here: the forms of a time, errors within errors, and parameters, which are text.
 */
import { type ConversionConfig, toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { ErrorRecordSchema } from "../../../task/record/record.ts";
import { EARLIEST_TIME, LATEST_TIME, TimeJsonSchema } from "../../../task/times/times.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Schemas that are described by name: the record of an error has errors in it. */
const NAMED = { ErrorRecord: ErrorRecordSchema };

const CONFIG: ConversionConfig = {
  target: "draft-2020-12",
  definitions: NAMED,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
  // Rules about more than one value, and what becomes of a text, are told by messages alone.
  ignoreActions: ["check", "finite", "raw_check", "raw_transform", "transform"],
  overrideSchema({ valibotSchema }) {
    // What its text must look like is said by what stands behind it in the pipe.
    if (valibotSchema !== TimeJsonSchema.pipe[0]) return undefined;
    return {
      anyOf: [
        { type: "number", minimum: EARLIEST_TIME, exclusiveMaximum: LATEST_TIME, description: "Unix ms" },
        { type: "string", format: "date-time" },
      ],
    };
  },
};

/** What a body or an answer must be; null where its schema has no JSON Schema. */
export function jsonSchemaOf(schema: v.GenericSchema): JsonSchema | null {
  return converted(schema, CONFIG);
}

/** The schema of a parameter. It is text on the wire, and described as what that text is read as. */
export function parameterSchemaOf(schema: v.GenericSchema): JsonSchema | null {
  const described = converted(schema, { ...CONFIG, typeMode: "output" });
  return described?.default === undefined ? described : { ...described, default: v.parse(schema, undefined) };
}

/** The schemas that others name. */
export function namedSchemas(): JsonSchema {
  return toJsonSchema(ErrorRecordSchema, CONFIG).$defs ?? {};
}

function converted(schema: v.GenericSchema, config: ConversionConfig): JsonSchema | null {
  try {
    const { $schema: _, $defs: __, ...described } = toJsonSchema(schema, config);
    return described;
  } catch (error) {
    // The library's words for a kind of schema that JSON Schema cannot say.
    if (error instanceof Error && error.message.includes("cannot be converted to JSON Schema")) return null;
    throw error;
  }
}

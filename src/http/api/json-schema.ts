/** The JSON schema of a valibot schema, for the description of the API: the kinds that the API uses, and no more. */
import * as v from "valibot";
import { ErrorRecordSchema } from "../../task/record.ts";
import { EARLIEST_TIME, LATEST_TIME, TimeJsonSchema } from "../../task/times.ts";

const TIME: JsonSchema = {
  anyOf: [
    { type: "number", minimum: EARLIEST_TIME, exclusiveMaximum: LATEST_TIME, description: "Unix ms" },
    { type: "string", format: "date-time" },
  ],
};

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Any schema, seen by the properties that its kind may have. */
interface Anatomy {
  readonly type: string;
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly item?: v.GenericSchema;
  readonly options?: readonly unknown[];
  readonly wrapped?: v.GenericSchema;
  readonly getter?: (input: unknown) => v.GenericSchema;
  readonly literal?: unknown;
  readonly default?: unknown;
  readonly pipe?: readonly Step[];
}

/** A part of a pipe: the schema at its start, or what comes behind. */
type Step = v.GenericSchema | { readonly kind: string; readonly type: string; readonly requirement?: unknown };

/** @throws TypeError for a kind of schema that is not described yet. */
export function jsonSchemaOf(schema: v.GenericSchema): JsonSchema {
  // The record of an error has errors in it, so it is described by name.
  if (schema === ErrorRecordSchema) return { $ref: "#/components/schemas/ErrorRecord" };
  return inFull(schema);
}

/** The same, but without a name at the top. */
export function inFull(schema: v.GenericSchema): JsonSchema {
  // What its text must look like is said by the check behind it.
  if (schema === TimeJsonSchema) return TIME;
  const anatomy: Anatomy = schema;
  return { ...shapeOf(anatomy), ...limitsOf(anatomy) };
}

/** The schema of a parameter. It is text on the wire, and described as what that text is read as. */
export function parameterSchemaOf(schema: v.GenericSchema): JsonSchema {
  const { type, wrapped, default: byDefault, pipe = [] }: Anatomy = schema;
  if (type === "optional") {
    const given = part(wrapped, schema);
    const read = byDefault === undefined ? {} : { default: v.parse(given, byDefault) };
    return { ...parameterSchemaOf(given), ...read };
  }
  // A pipe begins with a schema; a later one says what the text has become.
  return jsonSchemaOf(pipe.slice(1).findLast(isSchema) ?? schema);
}

/** Whether an entry of an object may be left out. */
export function isOptional(schema: v.GenericSchema): boolean {
  return schema.type === "optional";
}

function shapeOf(schema: Anatomy): JsonSchema {
  switch (schema.type) {
    case "string":
    case "number":
    case "boolean":
      return { type: schema.type };
    case "unknown":
      return {};
    case "literal":
      return { const: schema.literal };
    case "picklist":
      return { enum: schema.options };
    case "array":
      return { type: "array", items: jsonSchemaOf(part(schema.item, schema)) };
    case "union":
      return { anyOf: (schema.options ?? []).map((option) => jsonSchemaOf(option as v.GenericSchema)) };
    case "nullable":
      return { anyOf: [jsonSchemaOf(part(schema.wrapped, schema)), { type: "null" }] };
    case "optional": {
      const byDefault = schema.default === undefined ? {} : { default: schema.default };
      return { ...jsonSchemaOf(part(schema.wrapped, schema)), ...byDefault };
    }
    case "lazy":
      return jsonSchemaOf(part(schema.getter, schema)(undefined));
    case "object":
    case "strict_object":
      return objectOf(schema);
    default:
      throw new TypeError(`the API's description does not know schemas of the kind ${schema.type}`);
  }
}

function objectOf({ type, entries = {} }: Anatomy): JsonSchema {
  const required = Object.keys(entries).filter((name) => !isOptional(part(entries[name], entries)));
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, jsonSchemaOf(entry)])),
    ...(required.length > 0 ? { required } : {}),
    ...(type === "strict_object" ? { additionalProperties: false } : {}),
  };
}

const LIMITS: Readonly<Record<string, (requirement: unknown) => JsonSchema>> = {
  min_value: (minimum) => ({ minimum }),
  max_value: (maximum) => ({ maximum }),
  max_length: (most) => ({ maxLength: most }),
  min_length: (least) => ({ minLength: least }),
  non_empty: () => ({ minLength: 1 }),
  integer: () => ({ type: "integer" }),
  regex: (pattern) => ({ pattern: pattern instanceof RegExp ? pattern.source : undefined }),
};

/** What the steps behind a schema demand; of an array it is its items that are counted. */
function limitsOf({ type, pipe = [] }: Anatomy): JsonSchema {
  const found: Record<string, unknown> = {};
  for (const step of pipe) {
    if (isSchema(step)) continue;
    const limits = step.kind === "validation" ? LIMITS[step.type]?.(step.requirement) : undefined;
    for (const [name, value] of Object.entries(limits ?? {})) {
      found[type === "array" ? name.replace("Length", "Items") : name] = value;
    }
  }
  return found;
}

function isSchema(step: Step): step is v.GenericSchema {
  return step.kind === "schema";
}

function part<T>(value: T | undefined, whole: unknown): T {
  if (value === undefined) throw new TypeError(`a schema lacks a part: ${JSON.stringify(whole)}`);
  return value;
}

/** The description of the API (OpenAPI 3.1), made of the very routes that are served. */
import type * as v from "valibot";
import { ErrorRecordSchema } from "../../task/record.ts";
import { inFull, isOptional, type JsonSchema, jsonSchemaOf, parameterSchemaOf } from "./json-schema.ts";
import type { Fields, Route } from "./route.ts";

/** The whole document. */
export function openApiOf(
  routes: readonly Route[],
  options: { readonly root: string; readonly version: string },
): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const route of routes) {
    const path = `${options.root}${route.path.replaceAll(/:(\w+)/g, "{$1}")}`;
    paths[path] ??= {};
    Object.assign(paths[path], { [route.method.toLowerCase()]: operationOf(route) });
  }
  return {
    openapi: "3.1.0",
    info: { title: "taskexe", version: options.version, description: DESCRIPTION },
    security: [{}, { token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: PROBLEM, ErrorRecord: inFull(ErrorRecordSchema) },
    },
  };
}

const DESCRIPTION = [
  "Times are Unix ms on the broker's clock, durations ms.",
  "Where a token is configured every call needs it as a bearer token; where none is, calls that change something are",
  "served to the same machine alone. POST and PUT need Content-Type: application/json, with or without a body.",
  "Every enqueue can be repeated under the same id, every other change can be repeated as it is.",
].join(" ");

const PROBLEM: JsonSchema = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: { code: { type: "string" }, message: { type: "string" } },
      required: ["code", "message"],
    },
  },
  required: ["error"],
};

function operationOf({ operationId, summary, params, query, body, described, answers }: Route): JsonSchema {
  const parameters = [...parametersOf("path", params), ...parametersOf("query", query)];
  const taken = described ?? body;
  return {
    operationId,
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(taken === undefined ? {} : { requestBody: { required: true, content: json(taken) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description, schema, type }]) => {
          const content = type === undefined ? schema && json(schema) : { [type]: {} };
          return [status, { description, ...(content === undefined ? {} : { content }) }];
        }),
      ),
      default: {
        description: "it could not be done: 400, 401, 403, 404, 409, 413, 415, 422, 500 or 503",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

function parametersOf(place: "path" | "query", fields: Fields | undefined): JsonSchema[] {
  return Object.entries(fields?.entries ?? {}).map(([name, schema]) => {
    const generic = schema as v.GenericSchema;
    return { name, in: place, required: place === "path" || !isOptional(generic), schema: parameterSchemaOf(generic) };
  });
}

function json(schema: v.GenericSchema): JsonSchema {
  return { "application/json": { schema: jsonSchemaOf(schema) } };
}

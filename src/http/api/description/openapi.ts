/** The description of the API (OpenAPI 3.1), made of the very routes that are served. */
import type * as v from "valibot";
import { needOf } from "../guard/roles.ts";
import type { Fields, Route } from "../route.ts";
import { type JsonSchema, jsonSchemaOf, namedSchemas, parameterSchemaOf } from "./json-schema.ts";

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
    info: {
      title: "taskexe",
      version: options.version,
      description: DESCRIPTION,
      license: { name: "MIT", identifier: "MIT" },
      contact: { name: "the operators of this executor" },
    },
    servers: [{ url: "/", description: "the executor that serves this description" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    security: [{}, { token: [] }],
    paths,
    components: {
      responses: Object.fromEntries(
        Object.entries(PROBLEMS).map(([status, { description }]) => [
          `Problem${status}`,
          { description, content: { "application/json": { schema: { $ref: "#/components/schemas/Problem" } } } },
        ]),
      ),
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: PROBLEM, ...namedSchemas() },
    },
  };
}

/** What operations are about: the first part of their paths below the root. */
const TAGS = {
  tasks: "Enqueue tasks, look at them, cancel them, try them again",
  queues: "What is in the queues, and pauses of them",
  types: "Pauses of types",
  executors: "Tell one executor what to do",
  schedules: "Cron schedules",
  description: "This document",
} as const;

type Tag = keyof typeof TAGS;

const TAG_OF: Readonly<Record<string, Tag>> = {
  queues: "queues",
  types: "types",
  executors: "executors",
  schedules: "schedules",
  "openapi.json": "description",
};

/** The mistakes of clients: what each status says, and which calls know it. */
const PROBLEMS: Readonly<Record<number, { readonly description: string; readonly of: (route: Route) => boolean }>> = {
  400: { description: "a parameter or the body is not right, or was cut off", of: () => true },
  401: { description: "this executor wants a token, and this is not it", of: () => true },
  403: {
    description: "the token's role or its queues do not let it; without a token only this machine may change anything",
    of: () => true,
  },
  404: { description: "there is no such thing", of: ({ problems }) => problems.includes(404) },
  409: { description: "it is in no state in which this can be done", of: ({ problems }) => problems.includes(409) },
  413: { description: "the body is too long", of: changes },
  415: {
    description: "the body is not said to be JSON, or is compressed",
    of: ({ method }) => method === "POST" || method === "PUT",
  },
  421: { description: "the request is for another host", of: () => true },
  429: {
    description: "too many at once, or too many wrong tokens; Retry-After says when to ask again",
    of: () => true,
  },
};

/** @see guard/roles.ts */
function needsOf(operationId: string): string {
  const { role, isWhole } = needOf(operationId);
  const whole = isWhole === true ? ", and a token that is not limited to queues" : "";
  return `Needs the role ${role}${whole}, where tokens are configured.`;
}

function changes({ method }: Route): boolean {
  return method !== "GET";
}

const DESCRIPTION = [
  "Times are Unix ms on the broker's clock, durations ms.",
  "Where tokens are configured every call needs one as a bearer token, with the role that the operation needs; where",
  "none is, calls that change something are served to the same machine alone. POST and PUT need",
  "Content-Type: application/json, with or without a body.",
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

function operationOf(route: Route): JsonSchema {
  const { operationId, summary, path, params, query, body, described, answers } = route;
  const parameters = [...parametersOf("path", params), ...parametersOf("query", query)];
  const taken = described ?? body;
  return {
    operationId,
    summary,
    description: `${summary}. ${needsOf(operationId)}`,
    tags: [TAG_OF[path.split("/")[1] ?? ""] ?? "tasks"],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(taken === undefined ? {} : { requestBody: { required: !route.isBodyOptional, content: json(taken) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description, schema, type }]) => {
          const content = type === undefined ? schema && json(schema) : { [type]: {} };
          return [status, { description, ...(content === undefined ? {} : { content }) }];
        }),
      ),
      ...Object.fromEntries(
        Object.entries(PROBLEMS)
          .filter(([, { of }]) => of(route))
          .map(([status]) => [status, { $ref: `#/components/responses/Problem${status}` }]),
      ),
      default: {
        description: "it cannot be done just now: 503 while the broker is away, and can be asked again; 500 by a fault",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

function parametersOf(place: "path" | "query", fields: Fields | undefined): JsonSchema[] {
  return Object.entries(fields?.entries ?? {}).map(([name, schema]) => {
    const generic = schema as v.GenericSchema;
    const described = parameterSchemaOf(generic);
    return {
      ...{ name, in: place, required: place === "path" || generic.type !== "optional" },
      // A parameter must have one: an empty one says nothing.
      schema: described ?? {},
    };
  });
}

function json(schema: v.GenericSchema): JsonSchema {
  const described = jsonSchemaOf(schema);
  return { "application/json": described === null ? {} : { schema: described } };
}

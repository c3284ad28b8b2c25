/**
 * One route of the API: what it takes, each part with its schema, and what it answers. The same object is served and
 * described (openapi.ts). A handler sees only what its schemas have let through.
 */
import type { Context } from "hono";
import * as v from "valibot";
import { MUST_BE_OBJECT } from "../../operations/filters.ts";
import type { AskedBroker } from "../../operations/limits/limited-broker.ts";
import { isTooDeep } from "../../task/message/message.ts";
import { MAX_MESSAGE_DEPTH } from "../../task/message/message-schema.ts";
import { told } from "../../task/message/new-task.ts";
import { withPayloadTexts, writeJson } from "../../task/text/json-text.ts";
import { ApiError } from "./api-error.ts";
import { ASKED } from "./guard/audited.ts";
import type { Caller } from "./guard/roles.ts";
import { checkLength, readBody } from "./read-body.ts";

export type Fields = v.StrictObjectSchema<v.ObjectEntries, undefined>;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The mistakes of a client that only some calls know. */
export type ProblemStatus = 404 | 409 | 429;

/** An answer: its description, and the schema of its JSON where there is one. */
export interface Answer {
  readonly description: string;
  readonly schema?: v.GenericSchema;
  /** Where it is no JSON. */
  readonly type?: string;
}

export interface Route {
  /** Its name in the description, for programs that are made from that: unique, and it stays. */
  readonly operationId: string;
  readonly method: Method;
  /** Below the root of the API, as Hono writes it: `/tasks/:id`. */
  readonly path: string;
  readonly summary: string;
  readonly params: Fields | undefined;
  readonly query: Fields | undefined;
  readonly body: v.GenericSchema | undefined;
  /** The body as it is described, where its schema cannot be. */
  readonly described: v.GenericSchema | undefined;
  /** Whether it may be left out: it is then an empty object. */
  readonly isBodyOptional: boolean;
  /** The longest body, in bytes. */
  readonly bodyLimit: number;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Which mistakes it knows besides those of every call. */
  readonly problems: readonly ProblemStatus[];
  readonly run: (context: Context, asker: Asker) => Promise<Response>;
}

/** Whoever asks, and the broker as they see it: a handler has no other one. */
export interface Asker {
  readonly caller: Caller;
  readonly broker: AskedBroker;
}

/** What a handler is given. */
export interface Call<Params, Query, Body> extends Asker {
  readonly context: Context;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

interface Definition<Params extends Fields, Query extends Fields, Body extends v.GenericSchema> {
  readonly operationId: string;
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly described?: v.GenericSchema;
  readonly isBodyOptional?: boolean;
  readonly bodyLimit?: number;
  readonly answers: Readonly<Record<number, Answer>>;
  readonly problems?: readonly ProblemStatus[];
  readonly handle: (
    call: Call<v.InferOutput<Params>, v.InferOutput<Query>, v.InferOutput<Body>>,
  ) => Promise<Response> | Response;
}

/** Lists of ids fit into this, and nothing else is as long. In bytes. */
const USUAL_BODY_LIMIT = 512 * 1024;

const None = v.strictObject({});

/** Puts a route together. */
export function route<Params extends Fields, Query extends Fields, Body extends v.GenericSchema>(
  definition: Definition<Params, Query, Body>,
): Route {
  const { params, query, body, described, isBodyOptional = false, problems = [], handle, ...rest } = definition;
  const { bodyLimit = USUAL_BODY_LIMIT } = definition;
  const given = async (context: Context): Promise<object> => {
    const text = await readBody(context, bodyLimit);
    return isBodyOptional && text === "" ? {} : objectIn(text);
  };
  return {
    ...rest,
    ...{ params, query, body, described, isBodyOptional, bodyLimit, problems },
    async run(context, asker) {
      checkLength(context, bodyLimit);
      const read = {
        params: check<v.GenericSchema>(params ?? None, context.req.param(), "path"),
        query: check<v.GenericSchema>(query ?? None, queryOf(context), "query"),
        body: body === undefined ? undefined : check<v.GenericSchema>(body, await given(context), "body"),
      };
      context.set(ASKED, Object.assign({}, read.body, read.params));
      // Each part has just passed the schema that its type was made of.
      return handle({ context, ...asker, ...read } as Parameters<typeof handle>[0]);
    },
  };
}

function check<Schema extends v.GenericSchema>(schema: Schema, value: unknown, where: string): v.InferOutput<Schema> {
  const checked = v.safeParse(schema, value);
  if (checked.success) return checked.output;
  throw new ApiError(400, "invalid", `${where}: ${told(checked.issues)}`);
}

function queryOf(context: Context): Record<string, string> {
  const given = Object.entries(context.req.queries());
  const twice = given.find(([, values]) => values.length > 1);
  if (twice !== undefined) throw new ApiError(400, "invalid", `query: ${twice[0].slice(0, 100)}: was given twice`);
  return Object.fromEntries(given.map(([name, [value = ""]]) => [name, value]));
}

/** An answer whose payloads (JsonText) stand there as they came. */
export function exactJson(context: Context, value: unknown): Response {
  return context.body(writeJson(value), 200, { "Content-Type": "application/json" });
}

/** Every body is an object. A schema would take an array for one, and read its methods as keys. */
function objectIn(text: string): object {
  const value = jsonOf(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new ApiError(400, "invalid", `body: ${MUST_BE_OBJECT}`);
}

function jsonOf(text: string): unknown {
  // Before it is parsed: what is very deep costs whoever reads or writes it a time that nobody asked for.
  if (isTooDeep(text)) throw new ApiError(400, "invalid", `body: nested deeper than ${MAX_MESSAGE_DEPTH} levels`);
  try {
    return withPayloadTexts(text, JSON.parse(text));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError(400, "invalid", `body: not JSON: ${text === "" ? "it is empty" : reason.slice(0, 200)}`);
  }
}

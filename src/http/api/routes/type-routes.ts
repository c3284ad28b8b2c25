/** Types over HTTP: which there are, and what payloads this executor knows that they take. */
import * as v from "valibot";
import { seenTypes } from "../../../operations/types.ts";
import { TypeFiguresView } from "../../../operations/views/type-view.ts";
import type { RouteParts } from "../parts.ts";
import { type Route, route } from "../route.ts";
import { TypeParams } from "../schemas.ts";

const TypeView = v.object({
  type: v.string(),
  /** How many living executors name it. */
  executors: v.number(),
  paused: v.boolean(),
  ...TypeFiguresView.entries,
  /** Whether this executor has its handler. */
  loaded: v.boolean(),
});

export function typeRoutes({ handlerOf, types = () => [] }: RouteParts): Route[] {
  const loaded = (type: string): boolean => handlerOf?.(type) !== undefined;
  return [
    route({
      operationId: "listTypes",
      method: "GET",
      path: "/types",
      summary: "The types that living executors name, and those that are paused, by name; 1 000 at the most",
      answers: {
        200: {
          description: "`more`: some executor knows more types than it names",
          schema: v.object({ types: v.array(TypeView), more: v.boolean() }),
        },
      },
      async handle({ context, broker }) {
        const seen = await seenTypes(broker, types());
        return context.json({ ...seen, types: seen.types.map((each) => ({ ...each, loaded: loaded(each.type) })) });
      },
    }),
    route({
      operationId: "getType",
      method: "GET",
      path: "/types/:name",
      summary: "What this executor knows of a type: the JSON Schema of its payload",
      params: TypeParams,
      answers: {
        200: {
          description: "`payload_schema` is null where its handler tells none, or is not loaded here",
          schema: v.object({
            ...{ type: v.string(), loaded: v.boolean() },
            ...{ payload_schema: v.nullable(v.record(v.string(), v.unknown())), queue: v.nullable(v.string()) },
          }),
        },
      },
      async handle({ context, params: { name } }) {
        const handler = handlerOf?.(name);
        const schema = (await handler?.payloadSchema?.()) ?? null;
        const queue = handler?.options.queue ?? null;
        return context.json({ type: name, loaded: handler !== undefined, payload_schema: schema, queue });
      },
    }),
  ];
}

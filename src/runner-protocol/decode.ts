/**
 * One line -> one message of a side. A kind that is not known, or no kind at all, is let pass: the other side may be
 * newer. Everything else that is no message of the protocol is a fault, with its path and reason.
 */
import * as v from "valibot";
import { type FromRunner, FromRunnerSchema, type ToRunner, ToRunnerSchema } from "./messages.ts";
import { plainRun } from "./plain-run.ts";

/** A message, nothing (its kind is not known here), or what is wrong. */
export type Decoded<M> = { readonly message: M } | { readonly unknownKind: string } | { readonly fault: string };

/** What is read on the two sides of the protocol. */
interface Sides {
  readonly toRunner: ToRunner;
  readonly fromRunner: FromRunner;
}

export type Side = keyof Sides;
export type MessageOf<S extends Side> = Sides[S];

/** By kind: the schema of a side would try one after the other. */
const KINDS: Readonly<Record<Side, ReadonlyMap<string, v.GenericSchema>>> = {
  toRunner: byKind(ToRunnerSchema.options),
  fromRunner: byKind(FromRunnerSchema.options),
};

/** How much of a text that is no message is quoted, in characters. */
const MOST_QUOTED = 80;

/** Never throws. */
export function decode<S extends Side>(side: S, text: string): Decoded<MessageOf<S>> {
  if (side === "fromRunner") {
    const plain = plainOf(text);
    // It is one of that side.
    if (plain !== null) return { message: plain as MessageOf<S> };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: `a line is no JSON: ${JSON.stringify(text.slice(0, MOST_QUOTED))}` };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { fault: `a line is no JSON object: ${JSON.stringify(text.slice(0, MOST_QUOTED))}` };
  }
  const kind = "kind" in value ? value.kind : undefined;
  if (typeof kind !== "string") return { fault: "a message has no kind" };
  if (side === "toRunner" && kind === "run") {
    const plain = plainRun(value as Readonly<Record<string, unknown>>);
    // It is one of that side.
    if (plain !== null) return { message: plain as MessageOf<S> };
  }
  const schema = KINDS[side].get(kind);
  if (schema === undefined) return { unknownKind: kind };
  try {
    const checked = v.safeParse(schema, value, { abortEarly: true });
    // The schema is one of the side, which the compiler does not see through the table.
    if (checked.success) return { message: checked.output as MessageOf<S> };
    const [issue] = checked.issues;
    return { fault: `${kind}: ${v.getDotPath(issue) ?? "message"}: ${issue.message}` };
  } catch {
    // Errors in errors, without end.
    return { fault: `${kind}: it is nested too deep` };
  }
}

const DONE = '{"kind":"done","run":';
const BEGUN = '{"kind":"begun","runs":[';
const NUMBER = /^[1-9]\d{0,14}$/;

/** What is said for each run, read as our own runners write it: no parser need look at it. Null: it is not that. */
function plainOf(text: string): FromRunner | null {
  if (text.startsWith(DONE)) {
    const number = text.slice(DONE.length, -1);
    return text.endsWith("}") && NUMBER.test(number) ? { kind: "done", run: Number(number) } : null;
  }
  if (!text.startsWith(BEGUN) || !text.endsWith("]}")) return null;
  const numbers = text.slice(BEGUN.length, -2).split(",");
  return numbers.every((number) => NUMBER.test(number)) ? { kind: "begun", runs: numbers.map(Number) } : null;
}

function byKind(
  options: readonly (v.GenericSchema & { readonly entries: { readonly kind: { readonly literal: string } } })[],
): ReadonlyMap<string, v.GenericSchema> {
  return new Map(options.map((schema) => [schema.entries.kind.literal, schema]));
}

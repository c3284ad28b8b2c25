/**
 * The schema of a payload: anything that has the Standard Schema interface (https://standardschema.dev), as valibot,
 * zod, arktype and others do. Its answers are somebody else's, so they are looked at before they are believed.
 */

import { elementsOf, isObject, read, readText, textOf } from "../../concurrency/unknown-values.ts";

/**
 * What is needed of a schema. The types of what goes in and what comes out stand in `types`, for the compiler alone.
 */
export interface PayloadSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaAnswer<Output> | Promise<SchemaAnswer<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type SchemaAnswer<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What `enqueue` takes for a task with that schema. */
export type PayloadInput<Schema extends PayloadSchema> = NonNullable<Schema["~standard"]["types"]>["input"];
/** What `run` is given. */
export type PayloadOutput<Schema extends PayloadSchema> = NonNullable<Schema["~standard"]["types"]>["output"];

/** One place that a schema refuses. */
export interface PayloadIssue {
  /** Keys with dots between them; empty for the payload as a whole. */
  readonly path: string;
  /** In the schema's own words. */
  readonly message: string;
  /** In ours, where it is plain what is wrong: the key is missing, or there is no such key. */
  readonly words: string;
}

export type PayloadCheck =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: readonly PayloadIssue[] };

/** Why the schema of a type refuses a payload; null: it takes it. @throws as `checkBySchema` does. */
export function refusalBySchema(
  type: string,
  schema: PayloadSchema,
  payload: unknown,
): string | null | Promise<string | null> {
  const reasonOf = (check: PayloadCheck) => (check.ok ? null : payloadRefusal(type, check.issues));
  const checked = checkBySchema(schema, payload);
  return checked instanceof Promise ? checked.then(reasonOf) : reasonOf(checked);
}

/** What is said where a payload is refused: the same before it is sent and in the record of its attempt. */
export function payloadRefusal(type: string, issues: readonly PayloadIssue[]): string {
  const places = issues.map(({ path, words }) => (path === "" ? words : `${path}: ${words}`));
  return `the payload was refused by the schema of ${JSON.stringify(type)}: ${places.join("; ")}`;
}

const MOST_ISSUES = 10;
const MOST_STEPS = 50;

/** Also true for the functions that arktype's schemas are, and whichever copy of a library made it. */
export function isPayloadSchema(value: unknown): value is PayloadSchema {
  if (!isObject(value) && typeof value !== "function") return false;
  const standard = read(value, "~standard");
  return isObject(standard) && read(standard, "version") === 1 && typeof read(standard, "validate") === "function";
}

/**
 * Checks a payload; a promise only where the schema is one that takes its time.
 *
 * @throws what the schema throws, at once or as a rejection; TypeError where its answer is none.
 */
export function checkBySchema(schema: PayloadSchema, payload: unknown): PayloadCheck | Promise<PayloadCheck> {
  const answer: unknown = schema["~standard"].validate(payload);
  return isThenable(answer) ? Promise.resolve(answer).then((later) => checkOf(schema, later)) : checkOf(schema, answer);
}

function checkOf(schema: PayloadSchema, answer: unknown): PayloadCheck {
  if (!isObject(answer) || !("issues" in answer || "value" in answer)) {
    throw new TypeError(`the schema (${schema["~standard"].vendor}) answered neither a value nor issues`);
  }
  const issues = read(answer, "issues");
  if (issues === undefined || issues === null) return { ok: true, value: read(answer, "value") };
  const told = elementsOf(issues, MOST_ISSUES)?.elements.map(issueOf) ?? [];
  return { ok: false, issues: told.length > 0 ? told : [issueOf(undefined)] };
}

function issueOf(issue: unknown): PayloadIssue {
  const message = readText(issue, "message") || "it is refused, without a reason";
  const steps = isObject(issue) ? elementsOf(read(issue, "path"), MOST_STEPS) : null;
  return { path: (steps?.elements ?? []).map(keyOf).join("."), message, words: wordsOf(issue, message) };
}

function keyOf(step: unknown): string {
  return textOf(isObject(step) ? read(step, "key") : step);
}

/** valibot says in its issues what came, and that nothing was expected. */
function wordsOf(issue: unknown, message: string): string {
  if (!isObject(issue)) return message;
  if (read(issue, "expected") === "never") return "is not known";
  return read(issue, "kind") === "schema" && read(issue, "input") === undefined ? "is missing" : message;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof read(value, "then") === "function";
}

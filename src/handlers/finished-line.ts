/**
 * A line of a task's own log as people read it: what braces name stands in their place, and only what no brace names
 * follows as JSON. Never throws.
 */
import { isError, jsonOf, messageOf, readText, shown } from "../concurrency/unknown-values.ts";

type Properties = Readonly<Record<string, unknown>>;

const BRACES = /\{\{|\}\}|\{([^{}]{1,200})\}/g;

/** @param template - `page {page} done`; two braces are one brace. */
export function finishedLine(template: string, properties: Properties): string {
  const named = new Set<string>();
  const text = template.replace(BRACES, (whole, name: string | undefined) => {
    if (name === undefined) return whole.slice(1);
    const key = name.trim();
    // What is not there stays as it was written.
    if (!Object.hasOwn(properties, key)) return whole;
    named.add(key);
    return textOf(properties[key]);
  });
  const rest = Object.entries(properties).filter(([key]) => !named.has(key));
  return rest.length === 0 ? text : `${text} ${propertiesAsJson(rest)}`;
}

/** A text as it is, anything else as JSON. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (isError(value)) return messageOf(value);
  const written = jsonOf(value);
  return written.ok && written.json !== undefined ? written.json : shown(value);
}

/** As JSON; errors, which JSON shows as nothing, and what is no JSON as text. */
export function propertiesAsJson(properties: Iterable<readonly [string, unknown]>): string {
  const parts = [...properties].map(([key, value]) => {
    const written = jsonOf(isError(value) ? errorText(value) : value);
    if (written.ok && written.json === undefined) return null;
    return `${JSON.stringify(key)}:${written.ok ? written.json : JSON.stringify(shown(value))}`;
  });
  return `{${parts.filter((part) => part !== null).join(",")}}`;
}

/** With its stack, where it has one. */
export function errorText(error: unknown): string {
  return readText(error, "stack") || messageOf(error);
}

/**
 * JSON that is harmless for a terminal: what printable writes out is an escape of JSON, so that the value stays exact.
 */
import { writeJson } from "./json-text.ts";
import { printable } from "./printable.ts";

/** A JSON document of exactly this value, in one line or with an indent. A JsonText in it stands there as it is. */
export function printableJson(value: unknown, indent?: number): string {
  return printable(writeJson(value, indent), "lines");
}

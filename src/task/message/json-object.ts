/**
 * JSON objects whose keys come from outside: names of types, ids of tasks, fields of a log line. valibot's own record
 * drops the keys `__proto__`, `prototype` and `constructor`; nothing that came may be lost.
 */
import * as v from "valibot";

/** Any object, no list, as it came. */
export const JsonObjectSchema = v.custom<Record<string, unknown>>(
  (given) => typeof given === "object" && given !== null && !Array.isArray(given),
  ({ received }) => `Invalid type: Expected Object but received ${received}`,
);

/** An object each of whose values is such. */
export function objectOf<S extends v.GenericSchema>(
  value: S,
): v.GenericSchema<Record<string, unknown>, Record<string, v.InferOutput<S>>> {
  return v.pipe(
    JsonObjectSchema,
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const entries: [string, v.InferOutput<S>][] = [];
      for (const [key, given] of Object.entries(dataset.value)) {
        const read = v.safeParse(value, given);
        if (!read.success) {
          addIssue({ message: `${JSON.stringify(key.slice(0, 100))}: ${read.issues[0].message}` });
          return NEVER;
        }
        entries.push([key, read.output]);
      }
      return Object.fromEntries(entries);
    }),
  );
}

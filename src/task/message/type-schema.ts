/** What a type may be called. */
import * as v from "valibot";

/** The longest name, in UTF-16 code units. */
export const MAX_TYPE_LENGTH = 128;

export const TypeSchema = v.pipe(
  v.string("must be a string"),
  v.nonEmpty("must not be empty"),
  v.maxLength(MAX_TYPE_LENGTH, `must be at most ${MAX_TYPE_LENGTH} characters long`),
  v.check((type) => type.isWellFormed(), "must be text without halves of characters"),
);

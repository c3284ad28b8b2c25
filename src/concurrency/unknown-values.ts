// Looking at what user code has thrown or returned. It may be anything: an object whose getters throw, a proxy that was
// revoked, a symbol where a text belongs.
// Promises that no look here ever throws: an error that cannot be looked at is an error all the same, and must not keep
// its nursery from ending.

/** What a value can be tested for with `instanceof`: any class, whether or not its constructor can be called. */
export interface ClassOf<T> {
  readonly prototype: T;
  [Symbol.hasInstance](value: unknown): boolean;
}

/** `instanceof`; false for a value that cannot be asked. */
export function isInstance<T>(value: unknown, Class: ClassOf<T>): value is T {
  try {
    return value instanceof Class;
  } catch {
    return false;
  }
}

/** A property; undefined where it cannot be read. */
export function read(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key);
  } catch {
    return undefined;
  }
}

/** A value as text. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return String(value);
  } catch {
    return "(cannot be shown as text)";
  }
}

/** What an error says; anything else as text. */
export function messageOf(value: unknown): string {
  return textOf(isInstance(value, Error) ? read(value, "message") : value);
}

const none: readonly unknown[] = [];

/** The errors in a group. Empty for an error that is no group, and for a group that says nothing of its errors. */
export function errorsIn(error: unknown): readonly unknown[] {
  try {
    if (!(error instanceof AggregateError)) return none;
    const { errors } = error;
    if (!Array.isArray(errors)) return none;
    // A copy, as reading an element may throw, too; element by element, as the array may have an iterator of its own.
    const copy: unknown[] = [];
    for (let i = 0; i < errors.length; i++) copy.push(errors[i]);
    return copy;
  } catch {
    return none;
  }
}

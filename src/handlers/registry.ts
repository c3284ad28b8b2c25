/** Which handler runs which type. Filled at start, read by every attempt. One handler a type. */
import type { TaskDefinition } from "./define-task.ts";

/** Two handlers claim the same type. */
export class DuplicateHandlerError extends Error {
  override readonly name = "DuplicateHandlerError";
}

export class HandlerRegistry {
  readonly #byType = new Map<string, { readonly definition: TaskDefinition; readonly source: string }>();

  /**
   * Adds a handler. `source` says where it comes from, for messages.
   *
   * @throws DuplicateHandlerError when the type has a handler already.
   */
  add(definition: TaskDefinition, source: string): void {
    const present = this.#byType.get(definition.type);
    if (present) {
      throw new DuplicateHandlerError(
        `two handlers for the type "${definition.type}": ${present.source} and ${source}; rename one of them`,
      );
    }
    this.#byType.set(definition.type, { definition, source });
  }

  get(type: string): TaskDefinition | undefined {
    return this.#byType.get(type)?.definition;
  }

  /** All types, sorted. */
  types(): string[] {
    return [...this.#byType.keys()].sort();
  }

  /** Where the handler of a type comes from. */
  sourceOf(type: string): string | undefined {
    return this.#byType.get(type)?.source;
  }
}

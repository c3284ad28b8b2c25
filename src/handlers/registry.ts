/**
 * Which handler runs which type. Filled at start, read by every attempt. One handler a type; a user's handler takes
 * the place of a built-in one. What a handler is stands in define-task.ts.
 */
import type { TaskDefinition } from "./define-task.ts";

/** Two handlers claim the same type. */
export class DuplicateHandlerError extends Error {
  override readonly name = "DuplicateHandlerError";
}

interface Entry {
  readonly definition: TaskDefinition;
  readonly source: string;
  readonly builtin: boolean;
}

export class HandlerRegistry {
  readonly #byType = new Map<string, Entry>();

  /**
   * Adds a handler; it replaces a built-in one of the same type. The same definition may be added again: files
   * re-export each other's. `source` says where it comes from, for messages.
   *
   * @throws DuplicateHandlerError when another handler has the type already.
   */
  add(definition: TaskDefinition, source: string): void {
    const present = this.#byType.get(definition.type);
    if (present?.definition === definition) return;
    if (present && !present.builtin) {
      throw new DuplicateHandlerError(
        `two handlers for the type "${definition.type}": ${present.source} and ${source}; rename one of them`,
      );
    }
    this.#byType.set(definition.type, { definition, source, builtin: false });
  }

  /** Adds a handler that comes with taskexe; it never takes the place of one that is there. */
  addBuiltin(definition: TaskDefinition): void {
    if (this.#byType.has(definition.type)) return;
    this.#byType.set(definition.type, { definition, source: "built-in", builtin: true });
  }

  get(type: string): TaskDefinition | undefined {
    return this.#byType.get(type)?.definition;
  }

  /** All types, sorted. */
  types(): string[] {
    return [...this.#byType.keys()].sort();
  }

  /** Where the handler of a type comes from: a file, or `built-in`. */
  sourceOf(type: string): string | undefined {
    return this.#byType.get(type)?.source;
  }
}

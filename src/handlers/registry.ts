/**
 * Which definition is run for which type, in this process. Filled at start, read by every attempt. One definition a
 * type; a user's own takes the place of a built-in one. What a definition is stands in define-task.ts.
 */
import type { TaskDefinition } from "./define-task.ts";
import type { Handlers } from "./handler.ts";
import { InProcessHandler } from "./in-process/in-process-handler.ts";

/** Two handlers claim the same type. */
export class DuplicateHandlerError extends Error {
  override readonly name = "DuplicateHandlerError";
}

interface Entry {
  readonly definition: TaskDefinition;
  readonly handler: InProcessHandler;
  readonly source: string;
  readonly builtin: boolean;
}

export class HandlerRegistry implements Handlers {
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
    this.#set(definition, source, false);
  }

  /** Adds a handler that comes with taskexe; it never takes the place of one that is there. */
  addBuiltin(definition: TaskDefinition): void {
    if (this.#byType.has(definition.type)) return;
    this.#set(definition, "built-in", true);
  }

  get(type: string): InProcessHandler | undefined {
    return this.#byType.get(type)?.handler;
  }

  definition(type: string): TaskDefinition | undefined {
    return this.#byType.get(type)?.definition;
  }

  /** All types, sorted. */
  types(): string[] {
    return [...this.#byType.keys()].sort();
  }

  /** Whether the handler of a type comes with taskexe. */
  isBuiltin(type: string): boolean {
    return this.#byType.get(type)?.builtin === true;
  }

  /** Where the handler of a type comes from: a file, or `built-in`. */
  sourceOf(type: string): string | undefined {
    return this.#byType.get(type)?.source;
  }

  #set(definition: TaskDefinition, source: string, builtin: boolean): void {
    this.#byType.set(definition.type, {
      definition,
      handler: new InProcessHandler(definition, builtin),
      source,
      builtin,
    });
  }
}

/**
 * All handlers of one executor: those of files, and beside them those of other kinds, as endpoints. One a type; a
 * user's own takes the place of a built-in one.
 */
import type { Handler, Handlers } from "./handler.ts";
import { DuplicateHandlerError } from "./registry.ts";

/** Handlers that know where they come from. */
export interface SourcedHandlers extends Handlers {
  /** A file, for messages. */
  sourceOf(type: string): string | undefined;
  isBuiltin(type: string): boolean;
}

export class HandlerSet implements Handlers {
  readonly #files: SourcedHandlers;
  readonly #others = new Map<string, { readonly handler: Handler; readonly source: string }>();

  constructor(files: SourcedHandlers) {
    this.#files = files;
  }

  /**
   * Adds one of another kind.
   *
   * @param source - where it is defined, for messages.
   * @throws DuplicateHandlerError when another handler has the type already.
   */
  add(handler: Handler, source: string): void {
    const { type } = handler;
    const ofFile = this.#files.isBuiltin(type) ? undefined : this.#files.sourceOf(type);
    const first = this.#others.get(type)?.source ?? ofFile;
    if (first !== undefined) {
      throw new DuplicateHandlerError(
        `two handlers for the type "${type}": ${first} and ${source}; remove one of them`,
      );
    }
    this.#others.set(type, { handler, source });
  }

  get(type: string): Handler | undefined {
    return this.#others.get(type)?.handler ?? this.#files.get(type);
  }

  types(): string[] {
    return [...new Set([...this.#files.types(), ...this.#others.keys()])].sort();
  }
}

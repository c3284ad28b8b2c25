/**
 * Which tasks ended last: an error that a handler lets go of often comes only after its task has. Written at the end of
 * every attempt, so it costs two stores; it holds the names alone and never grows.
 */

/** What a task is called. */
export interface TaskName {
  readonly id: string;
  readonly type: string;
}

const KEPT = 16;

export class EndedLately {
  readonly #ids = new Array<string>(KEPT).fill("");
  readonly #types = new Array<string>(KEPT).fill("");
  #count = 0;

  add({ id, type }: TaskName): void {
    const at = this.#count++ % KEPT;
    this.#ids[at] = id;
    this.#types[at] = type;
  }

  /** The last one first. */
  names(): TaskName[] {
    const names: TaskName[] = [];
    for (let back = 1; back <= Math.min(this.#count, KEPT); back++) {
      const at = (this.#count - back) % KEPT;
      names.push({ id: this.#ids[at] ?? "", type: this.#types[at] ?? "" });
    }
    return names;
  }
}

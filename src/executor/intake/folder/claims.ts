/**
 * Whose a file of a source is. It is claimed by a rename into `.taskexe` below the folder: the file system gives it to
 * one executor alone, and the id of its task stands in its name from then on. So whoever is killed at any point leaves
 * either the file where it was, or a claimed one that others take over once nobody has touched it for a while: they
 * enqueue it under the same id, and where it was enqueued already, that is found.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { privateFolderProblem } from "../../../runtime/files/ownership.ts";
import { newId } from "../../../task/message/new-task.ts";

/** What a claim waits for its executor, as seen from here, in ms. */
const ORPHAN_MS = 10_000;
/** How many names one look takes. */
const MOST_NAMES = 1_000;
/** More are not sorted: that would hold up the executor. */
const MOST_SORTED = 20_000;
/** How many refused files are kept, the newest. */
const MOST_REFUSED = 1_000;
const LONGEST_NAME = 100;

/** A file that is ours to enqueue. */
export interface Claim {
  /** The id of its task. */
  readonly id: string;
  /** How it was called, for people. */
  readonly name: string;
  readonly path: string;
}

export class Claims {
  readonly #folder: string;
  readonly #own: string;
  readonly #refused: string;
  readonly #source: string;
  /** Claims of others, and since when they are seen, on our own clock: clocks of others may differ. */
  #seen = new Map<string, number>();

  constructor(folder: string, source: string) {
    this.#folder = folder;
    this.#own = join(folder, ".taskexe");
    this.#refused = join(this.#own, "refused");
    this.#source = source;
  }

  /** Makes what is needed in the folder. @throws Error where that cannot be, or is not ours alone. */
  prepare(): void {
    for (const path of [this.#own, this.#refused]) {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) mkdirSync(path, { mode: 0o700 });
      const problem = privateFolderProblem(path);
      if (problem !== null) throw new Error(problem);
    }
  }

  /** The files that wait, in the order of their names; of very many any. */
  async waiting(): Promise<string[]> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith(".json") && !name.startsWith("."));
    return (names.length > MOST_SORTED ? names.slice(0, MOST_NAMES) : names).sort().slice(0, MOST_NAMES);
  }

  /** Null: another executor has it. @throws (rejects) what the system says where it may not be renamed. */
  async take(name: string): Promise<Claim | null> {
    const id = `${this.#source}-${newId()}`;
    return this.#moved(join(this.#folder, name), id, 0, shown(name));
  }

  /** Claims whose executor is gone, or has stood still for long: they are ours now. */
  async orphans(): Promise<Claim[]> {
    const now = performance.now();
    const seen = new Map<string, number>();
    const taken: Claim[] = [];
    for (const name of (await readdir(this.#own)).sort().slice(0, MOST_NAMES)) {
      const [, id, turn, shownName] = /^([\w.-]+)~(\d{1,6})~([\w.-]*)$/.exec(name) ?? [];
      if (id === undefined || turn === undefined || shownName === undefined) continue;
      const since = this.#seen.get(name) ?? now;
      if (now - since < ORPHAN_MS) {
        seen.set(name, since);
        continue;
      }
      const claim = await this.#moved(join(this.#own, name), id, Number(turn) + 1, shownName);
      if (claim !== null) taken.push(claim);
    }
    this.#seen = seen;
    return taken;
  }

  async #moved(from: string, id: string, turn: number, name: string): Promise<Claim | null> {
    const path = join(this.#own, `${id}~${turn}~${name}`);
    try {
      await rename(from, path);
      return { id, name, path };
    } catch (error) {
      if (codeOf(error) === "ENOENT" && lstatSync(this.#folder, { throwIfNoEntry: false }) !== undefined) return null;
      throw error;
    }
  }

  /** Its task is in the queue for good. */
  async enqueued({ path }: Claim): Promise<void> {
    await rm(path, { force: true });
  }

  /** Sets a file apart that cannot be a task; where it stands then. Beyond a bound the oldest goes. */
  async refuse({ id, name, path }: Claim): Promise<string> {
    const place = join(this.#refused, `${id}~${name}`);
    await rename(path, place);
    const kept = (await readdir(this.#refused)).sort();
    for (const old of kept.slice(0, Math.max(0, kept.length - MOST_REFUSED))) {
      await rm(join(this.#refused, old), { force: true, recursive: true });
    }
    return place;
  }
}

/** The code of an error of the system; "": it is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function shown(name: string): string {
  return name.replaceAll(/[^\w.-]/g, "_").slice(0, LONGEST_NAME);
}

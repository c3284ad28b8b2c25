/**
 * Moves the files of a folder into the queue: at once where the system tells of changes, and at each slow look all the
 * same. A file is claimed, read, enqueued, and removed once the broker has it for good. Several executors may look into
 * one folder.
 */
import { getLogger } from "@logtape/logtape";
import { untilAvailable } from "../../../broker/availability.ts";
import { type Broker, ENQUEUE_BATCH_LENGTH } from "../../../broker/broker.ts";
import type { FolderSource } from "../../../broker/contract/sources.ts";
import { type CancelScope, Latch, moveOnAfter } from "../../../concurrency/index.ts";
import { messageOf } from "../../../concurrency/unknown-values.ts";
import { FolderWatch } from "../../../runtime/files/watch-folder.ts";
import type { SourceFigures } from "../source-figures.ts";
import { type Claim, Claims, codeOf } from "./claims.ts";
import { readClaimed } from "./read-claimed.ts";
import { badTask, type FileTask, taskOfFile } from "./request-of-file.ts";

const logger = getLogger(["taskexe", "executor"]);

/** Between two looks where nothing is told, in ms. */
const LOOK_MS = 1_000;
/** How many files are enqueued together. */
const BATCH = 100;
/** How many are read at once: each may have 4 MiB. */
const READ_TOGETHER = 10;

interface Ready extends FileTask {
  readonly claim: Claim;
}

export class FolderMover {
  readonly #broker: Pick<Broker, "enqueue">;
  readonly #source: FolderSource;
  readonly #figures: SourceFigures;
  readonly #claims: Claims;
  #changed = new Latch();

  constructor(broker: Pick<Broker, "enqueue">, source: FolderSource, figures: SourceFigures) {
    this.#broker = broker;
    this.#source = source;
    this.#figures = figures;
    this.#claims = new Claims(source.folder, source.name);
  }

  /** Moves until the scope is cancelled. */
  async run(scope: CancelScope): Promise<never> {
    const watch = new FolderWatch(this.#source.folder, () => this.#changed.set());
    try {
      for (let lookedAt = Number.NEGATIVE_INFINITY; ; ) {
        const isLook = performance.now() - lookedAt >= LOOK_MS;
        if (isLook) {
          lookedAt = performance.now();
          watch.renew();
        }
        // Before the look: what comes while it is under way is told for the next one.
        this.#changed = new Latch();
        const moved = await this.#move(isLook, scope.signal);
        scope.signal.throwIfAborted();
        if (moved > 0) continue;
        const untilLook = Math.max(1, lookedAt + LOOK_MS - performance.now());
        await moveOnAfter(scope, untilLook, ({ signal }) => this.#changed.wait(signal));
      }
    } finally {
      watch.close();
    }
  }

  /** How many files it has moved. */
  async #move(isLook: boolean, signal: AbortSignal): Promise<number> {
    const problems: string[] = [];
    let moved = 0;
    try {
      this.#claims.prepare();
      if (isLook) moved += await this.#enqueue(await this.#claims.orphans(), signal);
      const names = await this.#claims.waiting();
      for (let at = 0; at < names.length; at += BATCH) {
        const claims = await Promise.all(names.slice(at, at + BATCH).map((name) => this.#take(name, problems)));
        moved += await this.#enqueue(
          claims.filter((claim) => claim !== null),
          signal,
        );
        signal.throwIfAborted();
      }
    } catch (error) {
      signal.throwIfAborted();
      problems.push(problemOf(error, this.#source.folder));
    }
    this.#tell(problems[0] ?? null);
    return moved;
  }

  /** In a folder with the sticky bit it may be the right to one file alone that lacks. */
  async #take(name: string, problems: string[]): Promise<Claim | null> {
    try {
      return await this.#claims.take(name);
    } catch (error) {
      if (codeOf(error) !== "EPERM") throw error;
      problems.push(`${name} cannot be moved out of ${this.#source.folder}: ${messageOf(error)}`);
      return null;
    }
  }

  /** All of them, in as many steps as their texts are long. */
  async #enqueue(claims: readonly Claim[], signal: AbortSignal): Promise<number> {
    let moved = 0;
    let batch: Ready[] = [];
    let length = 0;
    for (let at = 0; at < claims.length; at += READ_TOGETHER) {
      const read = await Promise.all(claims.slice(at, at + READ_TOGETHER).map((claim) => this.#read(claim)));
      for (const ready of read) {
        if (ready === null) continue;
        const more = ready.request.message.length;
        if (batch.length === BATCH || length + more > ENQUEUE_BATCH_LENGTH) {
          moved += await this.#send(batch, signal);
          [batch, length] = [[], 0];
        }
        batch.push(ready);
        length += more;
      }
    }
    return moved + (await this.#send(batch, signal));
  }

  /** Null: another executor has taken it over. */
  async #read(claim: Claim): Promise<Ready | null> {
    const read = await readClaimed(claim.path);
    if (read.kind === "gone") return null;
    if (read.kind === "text") {
      // Its bytes that are no UTF-8 are marks by now: it would be another text.
      const make = read.isUtf8 ? taskOfFile : badTask;
      return { ...make(read.text, claim.id, this.#source), claim };
    }
    const place = await this.#claims.refuse(claim);
    const { name } = this.#source;
    logger.warn("Source {name}: {file} is refused: {why}", { name, file: claim.name, why: read.why });
    return {
      ...badTask(`${claim.name} is refused: ${read.why}. It stands in ${place}`, claim.id, this.#source),
      claim,
    };
  }

  /** Their files are removed once the broker has them for good. */
  async #send(batch: readonly Ready[], signal: AbortSignal): Promise<number> {
    if (batch.length === 0) return 0;
    await untilAvailable(async () => {
      try {
        await this.#broker.enqueue(batch.map(({ request }) => request));
      } catch (error) {
        // The claims wait meanwhile; another executor that takes them over enqueues them under the same ids.
        this.#tell(`the tasks cannot be enqueued just now: ${messageOf(error)}`);
        throw error;
      }
    }, signal);
    const bad = batch.filter(({ isBad }) => isBad).length;
    this.#figures.moved += batch.length;
    this.#figures.bad += bad;
    const { name } = this.#source;
    if (bad > 0) logger.warn("Source {name}: {bad} file(s) are no tasks, and end as dead", { name, bad });
    await Promise.all(batch.map(({ claim }) => this.#claims.enqueued(claim)));
    return batch.length;
  }

  #tell(problem: string | null): void {
    const { problem: before } = this.#figures;
    if (problem !== null && problem !== before) {
      logger.error("Source {name}: {problem}", { name: this.#source.name, problem });
    }
    this.#figures.problem = problem;
    this.#figures.held = problem === null;
  }
}

/** In words what the system says of the folder. */
function problemOf(error: unknown, folder: string): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return `there is no folder ${folder}`;
    case "ENOTDIR":
      return `${folder} is not a folder`;
    case "EACCES":
    case "EPERM":
      return `this user must have the rights to read, to write and to search ${folder}: ${messageOf(error)}`;
    case "EROFS":
      return `${folder} is on a file system that can only be read`;
    default:
      return messageOf(error);
  }
}

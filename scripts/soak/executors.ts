/**
 * The executors of the soak: so many at any time, each started anew when it dies, under its own name (it then takes up
 * what it held) or under a new one (others take that over when the lease is over). One that ends in any other way than
 * by SIGKILL fails the soak.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { abortable, type Nursery, sleep } from "../../src/concurrency/index.ts";
import { commandLine } from "../../test/stage/command.ts";
import type { Random } from "./random.ts";

const LEASE = "3s";
const CONCURRENCY = 24;
/** How many records of done tasks are kept: each of them is looked at in the end. */
export const DONE_LIMIT = 0;
const TASKS = join(import.meta.dirname, "tasks");
/** How long a dead one stays dead at the most, in ms. */
const LONGEST_PAUSE_MS = 250;

export interface Places {
  /** Where each has a folder of its own, with its log. */
  readonly folder: string;
  /** Where all of them keep their state. */
  readonly state: string;
  /** The address of the broker. */
  readonly broker: string;
  /** The path of the ledger. */
  readonly ledger: string;
}

export class Executors {
  /** How many starts there were, the first ones included, and how many of them under the same name as before. */
  starts = 0;
  sameName = 0;
  /** How many were killed from outside. */
  killed = 0;
  /** How many died by SIGKILL, whoever sent it. */
  deaths = 0;
  readonly #places: Places;
  readonly #random: Random;
  readonly #living = new Map<number, ChildProcess>();
  #names = 0;

  constructor(places: Places, random: Random) {
    this.#places = places;
    this.#random = random;
  }

  /** Keeps `count` executors up until the nursery is cancelled; none outlives it. */
  run(count: number, nursery: Nursery): void {
    for (let slot = 0; slot < count; slot++) {
      nursery.startSoon(({ signal }) => this.#keepUp(slot, signal), { name: `executor ${slot}` });
    }
  }

  /** Kills one of those that live, by chance. */
  killOne(): void {
    const pids = [...this.#living.values()];
    const child = pids[this.#random.between(0, pids.length - 1)];
    if (child?.kill("SIGKILL")) this.killed++;
  }

  async #keepUp(slot: number, signal: AbortSignal): Promise<never> {
    let name = this.#newName(slot);
    for (;;) {
      await this.#liveOnce(slot, name, signal);
      await sleep(this.#random.between(0, LONGEST_PAUSE_MS), signal);
      if (this.#random.chance(0.5)) this.sameName++;
      else name = this.#newName(slot);
    }
  }

  #newName(slot: number): string {
    this.#names++;
    return `soak-${slot}-${this.#names}`;
  }

  async #liveOnce(slot: number, name: string, signal: AbortSignal): Promise<void> {
    const { state, broker, ledger } = this.#places;
    const folder = join(this.#places.folder, `executor-${slot}`);
    await mkdir(folder, { recursive: true });
    const path = join(folder, "log");
    const log = await open(path, "a");
    try {
      const [command, ...before] = commandLine();
      const flags = ["--broker", broker, "--tasks", TASKS, "--name", name, "--listen", "off"];
      const child = spawn(
        command,
        [...before, "run", ...flags, "--lease", LEASE, "--concurrency", String(CONCURRENCY)],
        {
          cwd: folder,
          stdio: ["ignore", log.fd, log.fd],
          env: {
            ...process.env,
            STATE_DIRECTORY: state,
            SOAK_LEDGER: ledger,
            TASKEXE_DONE_LIMIT: String(DONE_LIMIT),
            NO_COLOR: "1",
          },
        },
      );
      this.starts++;
      const exit = once(child, "exit");
      this.#living.set(slot, child);
      try {
        await abortable(exit, signal);
      } finally {
        child.kill("SIGKILL");
        await exit;
        this.#living.delete(slot);
      }
      if (child.signalCode !== "SIGKILL") {
        throw new Error(`an executor ended by itself (code ${child.exitCode}, ${child.signalCode}); see ${path}`);
      }
      this.deaths++;
    } finally {
      await log.close();
    }
  }
}

/**
 * All handlers of an executor as they are now: those of files, in this process or in runners, those of workers, the
 * endpoints and the commands. They are loaded whole or not at all: then those that were there stay. Attempts that have
 * begun go on with the handler that they began with.
 */
import type { Broker } from "../../broker/broker.ts";
import { abortable, type CancelScope, findError } from "../../concurrency/index.ts";
import type { Settings } from "../../config/settings.ts";
import { knownTypeOf } from "../../executor/known-type.ts";
import type { ReloadJson, RunnersJson, RunnersSource } from "../../executor/status/status.ts";
import { builtinRegistry } from "../../handlers/builtin.ts";
import type { Handler, Handlers } from "../../handlers/handler.ts";
import { HandlerSet } from "../../handlers/handler-set.ts";
import { loadHandlers } from "../../handlers/loading/load-handlers.ts";
import { forgetModules, loadedModules } from "../../handlers/loading/loaded-modules.ts";
import { DuplicateHandlerError } from "../../handlers/registry.ts";
import { ExecutorDoor } from "../../operations/executor-door.ts";
import { providedModules } from "../../provide/index.ts";
import type { AddHandlers } from "../../runners/generations/generation.ts";
import type { Runners } from "../../runners/generations/with-runners.ts";
import type { RunnerProcesses } from "../../runners/processes/runner-processes.ts";
import { RunnerStartError } from "../../runners/starts.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";
import { addCommands, type WorkFolder } from "../process/command-handlers.ts";
import { CommandFailure, EXIT_USAGE } from "../process/exit.ts";
import { poolOptions, runnerKinds } from "../process/runner-kinds.ts";
import { runnersJson } from "../process/runner-status.ts";
import { addEndpoints } from "../process/table-handlers.ts";

const ONLY_ON_BUN =
  "handler files that run in the executor itself (isolation = inline) are loaded anew on Bun alone, as in the " +
  "executable: restart it, or set isolation to shared";

export interface LoadedParts {
  readonly runners: Runners;
  /** Begins to look after processes when it is called first. */
  readonly processes: () => Promise<RunnerProcesses>;
  readonly folder: WorkFolder;
  /** Told which handler file is imported in this process; null: none any more. */
  readonly importing: (file: string | null) => void;
  /** What handlers in runners mean by `connect()` without an address, for as long as this scope lives. */
  readonly broker: Broker;
  readonly scope: CancelScope;
}

export class LoadedHandlers implements Handlers, RunnersSource {
  readonly #parts: LoadedParts;
  #handlers = new HandlerSet(builtinRegistry());
  #closeEndpoints: () => void = () => {};
  #generation = 0;
  #loadedAt: number | null = null;
  #hasTried = false;
  /** When the load began that is in charge, Unix ms. */
  beganAt = Date.now();
  #reload: ReloadJson | null = null;

  constructor(parts: LoadedParts) {
    this.#parts = parts;
  }

  get(type: string): Handler | undefined {
    return this.#handlers.get(type);
  }

  types(): string[] {
    return this.#handlers.types();
  }

  /** Which load these are of: 1 is the first; 0: nothing was loaded yet. */
  get generation(): number {
    return this.#generation;
  }

  view(): RunnersJson {
    const loaded = {
      generation: this.#generation,
      loaded_at: this.#loadedAt === null ? null : isoWithOffset(this.#loadedAt),
      reload: this.#reload,
    };
    return { ...loaded, ...runnersJson(this.#parts.runners.view()) };
  }

  /** Which files were loaded, and what they import, as far as that is told. */
  get files(): readonly string[] {
    return [...loadedModules(), ...this.#parts.runners.files];
  }

  /** Whether as many generations live as may: the next one has to wait. */
  get isFull(): boolean {
    return this.#parts.runners.isFull;
  }

  /** Waits until another generation may be loaded. */
  async room(signal: AbortSignal): Promise<void> {
    this.tellReload({ state: "waiting" });
    await this.#parts.runners.room(signal);
  }

  /** What status tells of a reload; null: all is as it was read last. */
  tellReload(reload: Omit<ReloadJson, "since"> | null): void {
    this.#reload = reload === null ? null : { ...reload, since: isoWithOffset(Date.now()) };
  }

  trees(): ReturnType<RunnersSource["trees"]> {
    return this.#parts.runners.trees();
  }

  snapshots(pathOf: (pid: number) => string): Promise<void> {
    return this.#parts.runners.snapshots(pathOf);
  }

  /**
   * Loads all of them anew.
   *
   * @throws (rejects) CommandFailure or ConfigError that says what cannot be loaded.
   */
  async load(settings: Settings, scope: CancelScope): Promise<void> {
    let close = (): void => {};
    const beganAt = Date.now();
    try {
      const inline = settings.isolation === "inline" ? settings.tasks : [];
      if (this.#hasTried && inline.length > 0 && !forgetModules()) throw new CommandFailure(ONLY_ON_BUN);
      this.#hasTried = true;
      const loading = loadHandlers(inline, providedModules, this.#parts.importing);
      const handlers = new HandlerSet(await abortable(loading, scope.signal));
      close = addEndpoints(handlers, settings);
      await this.#loadProcesses(handlers, settings, scope);
      this.#closeEndpoints();
      this.#closeEndpoints = close;
      this.beganAt = beganAt;
    } catch (error) {
      close();
      const cause = findError(error, RunnerStartError) ?? findError(error, DuplicateHandlerError);
      throw cause === undefined ? error : new CommandFailure(cause.message, EXIT_USAGE);
    }
  }

  /** Closes what the endpoints keep open. */
  close(): void {
    this.#closeEndpoints();
  }

  /** Adds what runs in processes of its own, and puts all of it in charge. */
  async #loadProcesses(handlers: HandlerSet, settings: Settings, scope: CancelScope): Promise<void> {
    const { runners, processes, folder, broker } = this.#parts;
    if (settings.tables.execs.length > 0) addCommands(handlers, settings, await processes(), folder);
    const generation = this.#generation + 1;
    const accept: AddHandlers = (ofRunners) => {
      for (const { handler, source } of ofRunners) handlers.add(handler, source);
      this.#handlers = handlers;
      this.#generation = generation;
      this.#loadedAt = Date.now();
    };
    const { retentionMs, priorities } = settings;
    const known = (type: string) => knownTypeOf(this.get(type));
    const door = new ExecutorDoor({
      broker,
      preparation: { retentionMs, priorities },
      known,
      scope: this.#parts.scope,
    });
    const options = { ...poolOptions(settings), door };
    await runners.load({ number: generation, kinds: runnerKinds(settings, processes), options, accept }, scope);
  }
}

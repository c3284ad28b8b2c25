/**
 * All handlers of an executor as they are now: those of files, in this process or in runners, those of workers, the
 * endpoints and the commands. They are loaded whole or not at all: then those that were there stay. Attempts that have
 * begun go on with the handler that they began with.
 */
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, findError } from "../../concurrency/index.ts";
import type { Settings } from "../../config/settings.ts";
import { knownTypeOf } from "../../executor/known-type.ts";
import type { RunnersJson, RunnersSource } from "../../executor/status/status.ts";
import { builtinRegistry } from "../../handlers/builtin.ts";
import type { Handler, Handlers } from "../../handlers/handler.ts";
import { HandlerSet } from "../../handlers/handler-set.ts";
import { loadHandlers } from "../../handlers/loading/load-handlers.ts";
import { DuplicateHandlerError } from "../../handlers/registry.ts";
import { ExecutorDoor } from "../../operations/executor-door.ts";
import { providedModules } from "../../provide/index.ts";
import type { Runners } from "../../runners/generations/with-runners.ts";
import type { RunnerProcesses } from "../../runners/processes/runner-processes.ts";
import { RunnerStartError } from "../../runners/starts.ts";
import { addCommands, type WorkFolder } from "../process/command-handlers.ts";
import { CommandFailure, EXIT_USAGE } from "../process/exit.ts";
import { poolOptions, runnerKinds } from "../process/runner-kinds.ts";
import { runnersJson } from "../process/runner-status.ts";
import { addEndpoints } from "../process/table-handlers.ts";

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
    return runnersJson(this.#generation, this.#parts.runners.view());
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
  async load(settings: Settings): Promise<void> {
    let close = (): void => {};
    try {
      const inline = settings.isolation === "inline" ? settings.tasks : [];
      const handlers = new HandlerSet(await loadHandlers(inline, providedModules, this.#parts.importing));
      close = addEndpoints(handlers, settings);
      await this.#loadProcesses(handlers, settings);
      this.#closeEndpoints();
      this.#closeEndpoints = close;
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
  async #loadProcesses(handlers: HandlerSet, settings: Settings): Promise<void> {
    const { runners, processes, folder, broker, scope } = this.#parts;
    if (settings.tables.execs.length > 0) addCommands(handlers, settings, await processes(), folder);
    const generation = this.#generation + 1;
    const { retentionMs, priorities } = settings;
    const known = (type: string) => knownTypeOf(this.get(type));
    const door = new ExecutorDoor({ broker, preparation: { retentionMs, priorities }, known, scope });
    const options = { ...poolOptions(settings), door };
    await runners.load(generation, runnerKinds(settings, processes), options, (ofRunners) => {
      for (const { handler, source } of ofRunners) handlers.add(handler, source);
      this.#handlers = handlers;
      this.#generation = generation;
    });
  }
}

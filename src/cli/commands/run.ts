/**
 * `taskexe run`: puts an executor together and keeps it until it has drained: settings, log, signals, handlers,
 * broker, executor, HTTP. All of it lives in one nursery, so a failure of one part takes the others down in order.
 * HTTP answers before the broker is reached: the state is "starting" until then.
 */

import { getLogger } from "@logtape/logtape";
import type { Command } from "commander";
import type { Broker } from "../../broker/broker.ts";
import { wholeAddress } from "../../broker/drivers.ts";
import { setHome } from "../../client/home.ts";
import {
  type CancelScope,
  isCancellation,
  Latch,
  type Nursery,
  openRoot,
  withNursery,
} from "../../concurrency/index.ts";
import { withoutCode } from "../../concurrency/unknown-values.ts";
import { takeExecutorName } from "../../config/executor-name.ts";
import { holdsPassword } from "../../config/redact.ts";
import type { Settings } from "../../config/settings.ts";
import { pathOfState } from "../../config/state-directory.ts";
import { Alerts } from "../../executor/alerts/alerts.ts";
import { Executor } from "../../executor/executor.ts";
import { DEFAULT_HEARTBEAT_MS, type ExecutorOptions } from "../../executor/options.ts";
import type { RunnersSource } from "../../executor/status/status.ts";
import type { Handlers } from "../../handlers/handler.ts";
import type { ApiParts } from "../../http/api/parts.ts";
import { type HttpAddress, serveHttp } from "../../http/serve-http.ts";
import { AuditLog } from "../../operations/audit/audit-log.ts";
import { runtime } from "../../runtime/index.ts";
import { VERSION } from "../../version.ts";
import { type Options, settingsOf, withExecutorFlags } from "../arguments/flags.ts";
import { setUpLogging } from "../output/logging.ts";
import { reportFailure } from "../output/report-failure.ts";
import { executorOptions } from "../process/executor-options.ts";
import { EXIT_FAILED, EXIT_USAGE } from "../process/exit.ts";
import { watchExits } from "../process/exit-watch.ts";
import { namesOfKinds } from "../process/runner-kinds.ts";
import { handleSignals, trackFromTheStart } from "../process/signals.ts";
import { logStrayError } from "../process/stray-error.ts";
import { brokerOf, createStateDirectory } from "../process/with-broker.ts";
import { withHandlers } from "../process/with-handlers.ts";
import type { WatchedFiles } from "../reload/file-watch.ts";
import { type HttpAccess, takeAccess } from "../reload/http-access.ts";
import type { LoadedHandlers } from "../reload/loaded-handlers.ts";
import { reloading, type Watched, watchedBy } from "../reload/reloading.ts";
import { Reloads } from "../reload/reloads.ts";
import { sendLastSpans, startTracesOfExecutor, traceBroker } from "../traces.ts";

const log = getLogger(["taskexe"]);

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withExecutorFlags(command)
    .description("run tasks until told to stop (the default command)")
    .option("--watch", "load settings and handlers anew whenever one of their files changes")
    .option("--once", "work off what is due, then leave; HTTP only where --listen is given")
    .action(async (options: Options) => exit(await run(options)));
}

/** Runs the command until the executor has drained. Returns the exit code. */
export async function run(options: Options): Promise<number> {
  // From here on nobody of the same user reads the token, or a password, out of this process.
  runtime.linuxCalls()?.closeToOthers();
  const isOnce = options.once === true;
  // A reload reads the same environment, of which parts are taken out below.
  const { TASKEXE_TOKEN: _token, ...environment } = process.env;
  const read = (): Settings => {
    const settings = settingsOf(options, environment);
    return isOnce ? quietly(settings) : settings;
  };
  const settings = read();
  await setUpLogging(settings.log);
  for (const warning of settings.warnings) log.warn(warning);
  if (settings.exposure !== null) log.warn(settings.exposure);
  const access = takeAccess(settings);
  // Handlers have it from connect(), and what they start is not to find the password.
  if (holdsPassword(process.env.TASKEXE_BROKER ?? "")) delete process.env.TASKEXE_BROKER;
  const held =
    settings.name === null
      ? takeExecutorName(pathOfState(settings.stateDirectory, "the executor's name", "--name"))
      : null;
  try {
    const name = settings.name ?? held?.name ?? "";
    await startTracesOfExecutor(name);
    const watched = watchedBy(options);
    const staysUnloaded = options.staysUnloaded === true;
    return await new Run(settings, { name, access, isOnce, read, watched, staysUnloaded }).toTheEnd();
  } finally {
    held?.release();
  }
}

/** One that works off and leaves answers HTTP only where it was told to: the port may be that of another executor. */
function quietly(settings: Settings): Settings {
  return settings.origins.listen === "default" ? { ...settings, listen: null } : settings;
}

interface RunParts {
  readonly name: string;
  readonly access: HttpAccess;
  readonly isOnce: boolean;
  /** Reads the settings again. */
  readonly read: () => Settings;
  readonly watched: Watched | null;
  readonly staysUnloaded: boolean;
}

class Run {
  #settings: Settings;
  readonly #read: () => Settings;
  readonly #watched: Watched | null;
  readonly #name: string;
  readonly #access: HttpAccess;
  readonly #isOnce: boolean;
  /** What cannot be loaded at the start is waited for, until it is mended. */
  readonly #staysUnloaded: boolean;
  readonly #loaded = new Latch();
  #stop: (reason: string) => void = () => {};
  #reloads: Reloads | null = null;
  #importing: string | null = null;
  #runners: RunnersSource | undefined;
  #exitCode = 0;
  #names: Executor["names"] = () => ({ running: [], ended: [] });

  constructor(settings: Settings, given: RunParts) {
    const { name, access, isOnce, read, watched, staysUnloaded } = given;
    this.#staysUnloaded = staysUnloaded;
    this.#watched = watched;
    this.#settings = settings;
    this.#read = read;
    this.#name = name;
    this.#access = access;
    this.#isOnce = isOnce;
  }

  async toTheEnd(): Promise<number> {
    const root = openRoot();
    this.#stop = (reason) => root.cancel(reason);
    const undoFatal = runtime.onFatal((error) => this.#fail(error));
    const exitIsOurs = watchExits(this.#settings.log, () => this.#importing);
    try {
      await withNursery(root, (nursery) => this.#live(nursery, root), { name: "taskexe" });
    } catch (error) {
      // Told to stop before there was an executor that could drain: nothing was claimed, nothing is lost.
      if (root.cancelCalled) return this.#exitCode;
      if (this.#settings.log === "pretty") return reportFailure(error);
      return reportFailure(error, (line, path) => log.fatal("{line}", { line, path }));
    } finally {
      await sendLastSpans("executor");
      exitIsOurs();
      undoFatal();
    }
    log.info("drained; {name} leaves", { name: this.#name });
    return this.#exitCode;
  }

  async #live(nursery: Nursery, root: CancelScope): Promise<void> {
    const undoSignals = handleSignals(nursery, {
      runners: () => this.#runners,
      stop: (reason) => this.#stop(reason),
      reload: (reason) => {
        this.#access.tokens?.reload();
        this.#reloads?.request(reason);
      },
    });
    const importing = (file: string | null): void => {
      this.#importing = file;
    };
    try {
      if (this.#settings.trackAllocations) await trackFromTheStart();
      const broker = await this.#createBroker();
      this.#settle();
      const isInline = this.#settings.isolation === "inline";
      await withHandlers(nursery.scope, { broker, isInline }, importing, async (handlers) => {
        const audit = new AuditLog(broker);
        const options = { ...this.#options(), beforeClose: () => audit.flush() };
        const executor = new Executor({ broker, handlers, options, runners: handlers });
        this.#runners = handlers;
        this.#names = () => executor.names();
        const alerts = this.#alertsOf(executor, broker);
        const address = await this.#listen(nursery, executor, { broker, handlers, alerts, audit });
        this.#sayWhatIsAwaited(address);
        const reloads = this.#reloadsOf(executor, handlers);
        this.#reloads = reloads;
        const watched = this.#watched?.(() => this.#settings, handlers);
        await this.#load(nursery.scope, handlers, reloads, watched);
        if (root.cancelCalled) return;
        this.#stop = (reason) => executor.drain(reason);
        this.#sayHello(broker, handlers, address);
        const work = (scope: CancelScope): Promise<void> => executor.run(scope);
        const beside = this.#isOnce ? work : (scope: CancelScope) => alerts.beside(scope, work);
        await reloading(nursery.scope, reloads, watched, beside);
        if (this.#isOnce)
          log.info("worked off: {done} done, {dead} dead, {retried} to be tried again", this.#tallyOf(executor));
      });
    } finally {
      undoSignals();
    }
    nursery.scope.cancel("the executor has drained");
  }

  #reloadsOf(executor: Executor, handlers: LoadedHandlers): Reloads {
    return new Reloads(this.#settings, {
      ...{ read: this.#read, handlers, isLeaving: () => executor.status().state === "draining" },
      take: async (settings) => {
        if (settings.log !== this.#settings.log) await setUpLogging(settings.log);
        this.#settings = settings;
        executor.change(this.#options());
        this.#settle();
        this.#loaded.set();
      },
    });
  }

  async #load(
    scope: CancelScope,
    handlers: LoadedHandlers,
    reloads: Reloads,
    watched: (() => WatchedFiles) | undefined,
  ): Promise<void> {
    try {
      await handlers.load(this.#settings, scope);
    } catch (error) {
      if (!this.#staysUnloaded || isCancellation(error, scope)) throw error;
      reloads.tellFailure(error);
      await reloading(scope, reloads, watched, ({ signal }) => this.#loaded.wait(signal));
    }
  }

  #alertsOf(executor: Executor, broker: Broker): Alerts {
    const { heartbeatMs: everyMs = DEFAULT_HEARTBEAT_MS } = this.#options();
    const told = () => {
      const { alertType: type, alertQueue, queues, retentionMs } = this.#settings;
      return type === null ? null : { type, queue: alertQueue ?? queues[0] ?? null, retentionMs };
    };
    return new Alerts(executor, broker, { owner: this.#name, everyMs, told });
  }

  #tallyOf(executor: Executor): Pick<ReturnType<Executor["status"]>, "done" | "dead" | "retried"> {
    const { done, dead, retried } = executor.status();
    return { done, dead, retried };
  }

  async #createBroker(): Promise<Broker> {
    createStateDirectory(this.#settings);
    return traceBroker(await brokerOf(this.#settings, this.#name), this.#settings.traceCalls);
  }

  /** Says what handlers connect to where they name no address, from before they are imported. */
  #settle(): void {
    const { broker, queues, retentionMs, priorities } = this.#settings;
    // A file by its absolute path: a handler may change the working directory.
    setHome({ url: wholeAddress(broker), queues, retentionMs, priorities });
  }

  #options(): ExecutorOptions {
    return executorOptions(this.#settings, { name: this.#name, once: this.#isOnce });
  }

  async #listen(
    nursery: Nursery,
    source: Executor,
    { handlers, ...parts }: Pick<ApiParts, "broker" | "alerts" | "audit"> & { readonly handlers: LoadedHandlers },
  ): Promise<HttpAddress | null> {
    const { listen, page, priorities, openStatus } = this.#settings;
    if (listen === null) return null;
    const settings = (): Settings => this.#settings;
    const handlerOf = (type: string) => handlers.get(type);
    const types = () => handlers.types();
    const isStarting = () => handlers.generation === 0;
    const api = {
      ...{ ...parts, ...this.#access, priorities, handlerOf, isStarting, types },
      get retentionMs() {
        return settings().retentionMs;
      },
    };
    return nursery.start<HttpAddress>(
      nursery.scope,
      (task, started) => serveHttp(task, started, { ...listen, source, api, openStatus, page }),
      { name: "http" },
    );
  }

  /** For whoever wonders why nothing is claimed yet. */
  #sayWhatIsAwaited(address: HttpAddress | null): void {
    const kinds = namesOfKinds(this.#settings);
    if (kinds.length === 0) return;
    log.info("starting {kinds}; {listen} meanwhile", { kinds: kinds.join(", "), listen: shown(address) });
  }

  #sayHello(broker: Broker, handlers: Handlers, address: HttpAddress | null): void {
    const { brokerSource, queues, concurrency } = this.#settings;
    log.info(
      "taskexe {version} as {name}: broker {broker} ({source}), queues {queues}, {concurrency} at once, handlers " +
        "{handlers}, {listen}",
      {
        version: VERSION,
        name: this.#name,
        broker: broker.url,
        source: brokerSource,
        queues: queues.join(","),
        concurrency,
        handlers: handlers.types().join(","),
        listen: shown(address),
      },
    );
  }

  // An exception that nobody caught leaves the program in a state that nobody knows: finish what runs, then leave.
  #fail(error: unknown): void {
    logStrayError(withoutCode(error), this.#names(), this.#settings.log);
    if (this.#exitCode !== 0) return;
    // A handler file that lets one out while it is imported is a broken one.
    this.#exitCode = this.#importing === null ? EXIT_FAILED : EXIT_USAGE;
    this.#stop("an error outside of every task");
  }
}

function shown(address: HttpAddress | null): string {
  if (address === null) return "no HTTP";
  const { hostname, port } = address;
  if (hostname.startsWith("unix:")) return `HTTP on ${hostname}`;
  return `HTTP on http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

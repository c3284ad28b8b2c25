/**
 * What the commands that talk to the broker share: connect within a bound, do the work, bear a broker that is away for
 * a while, leave cleanly. A first SIGINT, SIGTERM or SIGHUP cancels the work and lets it leave; a second ends the
 * process at once.
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { ANSWER_LIMIT_MS, openWithin, untilAnswered } from "../../broker/availability.ts";
import type { Broker, BrokerOptions } from "../../broker/broker.ts";
import { BrokerUrlError, createBroker, fileOf } from "../../broker/drivers.ts";
import { type CancelScope, openRoot } from "../../concurrency/index.ts";
import { ConfigError } from "../../config/config-error.ts";
import type { Settings } from "../../config/settings.ts";
import { runtime } from "../../runtime/index.ts";
import { startTracing } from "../../tracing/tracing.ts";
import { note } from "../output/print.ts";
import { sendLastSpans } from "../traces.ts";
import { CommandFailure, EXIT_SIGHUP, EXIT_SIGINT, EXIT_SIGTERM } from "./exit.ts";
import { onHangup } from "./hangup.ts";

/** How long a command waits for the broker to answer at all, in ms. */
const CONNECT_LIMIT_MS = 3_000;

/** For {@link withBroker}: what the command leaves is there for an executor that comes later. */
export const CREATES = { missingFile: "create" } as const;

/**
 * Opens the broker, gives it to `body` and closes it however `body` ends. A file that was named and is not there
 * is refused, as its name is most likely mistyped, but for commands that say they may create it.
 *
 * @throws BrokerUnavailableError when the broker cannot be reached; CommandFailure when the file is not there, or with
 *   129, 130 or 143 after a signal; ConfigError when the address cannot be read.
 */
export async function withBroker<T>(
  settings: Settings,
  body: (broker: Broker, scope: CancelScope) => Promise<T>,
  options: { readonly missingFile?: "refuse" | "create" } = {},
): Promise<T> {
  for (const warning of settings.warnings) note(`taskexe: ${warning}`);
  createStateDirectory(settings);
  await startTracing(process.env);
  const broker = await brokerOf(settings, null);
  if (options.missingFile !== "create") refuseMissingFile(settings);
  const scope = openRoot();
  const interruption = onInterrupt(scope);
  try {
    await openWithin(broker, scope, CONNECT_LIMIT_MS);
    return await body(broker, scope);
  } catch (error) {
    if (interruption.exitCode() !== null) throw new CommandFailure("", interruption.exitCode() ?? undefined);
    throw error;
  } finally {
    interruption.undo();
    await broker.close();
    await sendLastSpans("command");
  }
}

/**
 * The broker of the settings, for a client or for the executor of that name. Nothing is connected or created yet.
 *
 * @throws ConfigError when the address cannot be read; it names where the address came from.
 */
export async function brokerOf(settings: Settings, executor: string | null): Promise<Broker> {
  try {
    return await createBroker(settings.broker, brokerOptionsOf(settings, executor));
  } catch (error) {
    if (!(error instanceof BrokerUrlError)) throw error;
    throw new ConfigError([`${settings.origins.broker}: ${error.message}`]);
  }
}

/**
 * Asks the broker; while it is away, waits and asks again, for half a minute at the most.
 *
 * @param ask Told whether it was asked before: what was asked then may have happened, and only its answer was lost.
 * @throws BrokerUnavailableError when the broker stayed away; the cancel of `scope`.
 */
export function patiently<T>(
  broker: Pick<Broker, "url" | "connection">,
  scope: CancelScope,
  ask: (again: boolean) => Promise<T>,
): Promise<T> {
  return untilAnswered(broker, scope, ask, () =>
    note(`taskexe: ${troubleOf(broker)}; it is asked again for up to ${ANSWER_LIMIT_MS / 1000} s`),
  );
}

function troubleOf(broker: Pick<Broker, "connection">): string {
  const { state, lastError } = broker.connection();
  return state === "refusing" ? `the broker is refusing (${lastError})` : "the broker is away";
}

/** What a broker must know, for an executor of that name or for a client. */
function brokerOptionsOf(settings: Settings, executor: string | null): BrokerOptions {
  const { queues, priorities, leaseMs, heartbeatTimeoutMs, deadLimit, deadRetentionMs } = settings;
  const { doneLimit, cancelledLimit, logBytes } = settings;
  const kept = { deadLimit, deadRetentionMs, doneLimit, cancelledLimit, logBytes };
  return { executor, queues, priorities, leaseMs, heartbeatTimeoutMs, ...kept };
}

/** The folder of the embedded queue, where it is the default one: made for this user alone. */
export function createStateDirectory(settings: Settings): void {
  if (settings.origins.broker !== "default") return;
  const file = fileOf(settings.broker);
  if (file === null) return;
  const folder = dirname(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(
      `the folder ${folder} for the embedded queue (${settings.brokerSource}) cannot be made: ${reason}; set ` +
        "STATE_DIRECTORY or give --broker",
    );
  }
}

function refuseMissingFile({ broker, origins }: Settings): void {
  // The default one begins empty on every machine, and nobody can have mistyped it.
  if (origins.broker === "default") return;
  const path = fileOf(broker);
  if (path === null || existsSync(path)) return;
  throw new CommandFailure(`${origins.broker}: there is no such file ${path}; an executor or an enqueue creates it`);
}

function onInterrupt(scope: CancelScope): { exitCode(): number | null; undo(): void } {
  let exitCode: number | null = null;
  const interrupt = (signal: string, code: number) => () => {
    if (exitCode !== null) process.exit(code);
    exitCode = code;
    scope.cancel(signal);
  };
  const undo = [
    runtime.onSignal("SIGINT", interrupt("SIGINT", EXIT_SIGINT)),
    runtime.onSignal("SIGTERM", interrupt("SIGTERM", EXIT_SIGTERM)),
    onHangup(interrupt("SIGHUP", EXIT_SIGHUP)),
  ];
  return {
    exitCode: () => exitCode,
    undo() {
      for (const one of undo) one();
    },
  };
}

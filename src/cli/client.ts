/**
 * What the commands that talk to the broker share: connect within a bound, do the work, leave cleanly.
 * A first SIGINT or SIGTERM cancels the work and lets it leave; a second ends the process at once.
 */
import { mkdirSync } from "node:fs";
import type { Broker, BrokerOptions } from "../broker/broker.ts";
import { createBroker } from "../broker/open-broker.ts";
import { type CancelScope, failAfter, openRoot, TooSlowError } from "../concurrency/index.ts";
import type { Settings } from "../config/settings.ts";
import { runtime } from "../runtime/index.ts";
import { CommandFailure, EXIT_SIGINT, EXIT_SIGTERM } from "./exit.ts";

/** How long a command waits for the broker to answer at all, in ms. */
const CONNECT_LIMIT_MS = 3_000;

/**
 * Opens the broker, gives it to `body` and closes it however `body` ends.
 *
 * @throws CommandFailure when the broker cannot be reached, or with 130/143 after a signal.
 */
export async function withBroker<T>(
  settings: Settings,
  body: (broker: Broker, scope: CancelScope) => Promise<T>,
): Promise<T> {
  createStateDirectory(settings);
  const broker = await createBroker(settings.broker, brokerOptionsOf(settings, null));
  const scope = openRoot();
  const interruption = onInterrupt(scope);
  try {
    await connect(broker, scope);
    return await body(broker, scope);
  } catch (error) {
    if (interruption.exitCode() !== null) throw new CommandFailure("", interruption.exitCode() ?? undefined);
    throw error;
  } finally {
    interruption.undo();
    await broker.close();
  }
}

/** What a broker must know, for an executor of that name or for a client. */
export function brokerOptionsOf(settings: Settings, executor: string | null): BrokerOptions {
  const { queues, priorities, leaseMs, heartbeatTimeoutMs, deadLimit, deadRetentionMs } = settings;
  return { executor, queues, priorities, leaseMs, heartbeatTimeoutMs, deadLimit, deadRetentionMs };
}

/** The folder of the embedded queue, where it is the default one: made for this user alone. */
export function createStateDirectory(settings: Settings): void {
  if (settings.origins.broker !== "default") return;
  const { path, from } = settings.stateDirectory;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(
      `the folder ${path} (${from}) for the embedded queue cannot be made: ${reason}; set STATE_DIRECTORY or give --broker`,
    );
  }
}

async function connect(broker: Broker, scope: CancelScope): Promise<void> {
  try {
    await failAfter(scope, CONNECT_LIMIT_MS, (connecting) => broker.open(connecting.signal));
  } catch (error) {
    if (!(error instanceof TooSlowError)) throw error;
    const reason = broker.connection().lastError ?? `no answer within ${CONNECT_LIMIT_MS / 1000} s`;
    throw new CommandFailure(`the broker ${broker.url} cannot be reached: ${reason}`);
  }
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
  ];
  return {
    exitCode: () => exitCode,
    undo() {
      for (const one of undo) one();
    },
  };
}

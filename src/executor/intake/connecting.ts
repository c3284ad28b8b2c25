/** The first step of an executor: it reaches its broker, looks whether another process has its name, and beats once. */
import { untilAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, withNursery, withScope } from "../../concurrency/index.ts";
import type { Drain } from "../leaving/drain.ts";
import type { HeartbeatParts } from "../upkeep/beat-json.ts";
import { beat } from "../upkeep/heartbeat.ts";
import type { NameConflict } from "../upkeep/name-conflict.ts";

export interface ConnectingParts {
  readonly broker: Broker;
  readonly drain: Drain;
  readonly nameConflict: NameConflict;
  readonly heartbeat: HeartbeatParts;
}

/** Waits for a broker that is away. False: a drain was asked for before that. */
export async function connect(scope: CancelScope, parts: ConnectingParts): Promise<boolean> {
  const { broker, drain, nameConflict, heartbeat } = parts;
  let isConnected = false;
  await withScope(scope, {}, async (connecting) => {
    await withNursery(connecting, async (nursery) => {
      nursery.startSoon(
        async (task) => {
          await drain.wait(task.signal);
          connecting.cancel("drain");
        },
        { name: "drain watch" },
      );
      const { signal } = nursery.scope;
      await untilAvailable(() => broker.open(signal), signal);
      await untilAvailable(() => nameConflict.meet(signal), signal);
      await untilAvailable(() => beat(heartbeat), signal);
      isConnected = true;
      nursery.scope.cancel("connected");
    });
  });
  return isConnected;
}

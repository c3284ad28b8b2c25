/** All schedules that a broker keeps, whole, for tests that have a few. */
import type { Broker } from "../../src/broker/broker.ts";
import type { StoredSchedule } from "../../src/broker/contract/schedules.ts";

export async function storedSchedules(broker: Pick<Broker, "everySchedule">): Promise<StoredSchedule[]> {
  const all: StoredSchedule[] = [];
  for await (const some of broker.everySchedule()) all.push(...some);
  return all;
}

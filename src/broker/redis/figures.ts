/** What Redis is asked for whoever looks at the whole: the heads of the lines, and its memory. */
import type { BrokerFigures } from "../contract/admin.ts";
import type { RedisParts } from "./parts.ts";

export async function readFigures(
  { queues, server }: Pick<RedisParts, "queues" | "server">,
  names: readonly string[],
): Promise<BrokerFigures> {
  const [oldest, memory] = await Promise.all([queues.oldest(names), server.memory()]);
  const gauges: BrokerFigures["gauges"][number][] = [];
  if (memory !== null && memory.usedMemory !== null) {
    gauges.push({ name: "broker_used_memory_bytes", help: "What Redis has in memory.", value: memory.usedMemory });
  }
  if (memory !== null && memory.policy !== "") {
    const value = memory.policy === "noeviction" ? 0 : 1;
    const help = "Whether Redis throws keys away when its memory is full.";
    gauges.push({ name: "broker_evicting", help, value });
  }
  return { oldest, gauges };
}

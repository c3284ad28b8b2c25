/** Pauses, for all brokers of the store: claims look at them, so that nothing paused is taken from then on. */
import type { PauseTarget } from "../contract/admin.ts";
import type { MemoryStore } from "./store/store.ts";

export function pause(store: MemoryStore, { kind, name }: PauseTarget): void {
  store.paused[kind].add(name);
}

export function resume(store: MemoryStore, { kind, name }: PauseTarget): void {
  store.paused[kind].delete(name);
  store.ring();
}

/** Queues before types, each by name. */
export function paused(store: MemoryStore): PauseTarget[] {
  return (["queue", "type"] as const).flatMap((kind) => [...store.paused[kind]].sort().map((name) => ({ kind, name })));
}

/**
 * The settings after a reload: what can change is as it was read now, what cannot stays as it was at the start, and is
 * named, since it needs a restart.
 */
import type { SettingKey, SettingValues } from "../../config/schema.ts";
import type { Settings } from "../../config/settings.ts";
import { SETTING_KEYS, SETTING_NAMES } from "../../config/sources.ts";

/** What the connection to the broker, the place in the fleet, and the address of HTTP are made of. */
const AS_AT_THE_START: readonly SettingKey[] = [
  ...(["broker", "brokerFile", "queues", "priorities", "name", "leaseMs", "heartbeatTimeoutMs"] as const),
  ...(["deadRetentionMs", "deadLimit", "doneLimit", "cancelledLimit", "logBytes"] as const),
  ...(["listen", "tokenFile", "tokensFile", "openStatus", "page", "trackAllocations"] as const),
  ...(["traceAttempts", "traceCalls"] as const),
];

export interface ChangedSettings {
  readonly settings: Settings;
  /** What was taken over, as the file calls it. */
  readonly taken: readonly string[];
  /** What stays as it was until a restart. */
  readonly kept: readonly string[];
}

/** @param now - as they were read now. */
export function changedSettings(before: Settings, now: Settings): ChangedSettings {
  const differing = SETTING_KEYS.filter((key) => !isSame(before[key], now[key]));
  const kept = differing.filter((key) => AS_AT_THE_START.includes(key) || isToOrFromInline(key, before, now));
  const taken = differing.filter((key) => !kept.includes(key));
  const stays: Partial<SettingValues> = {};
  for (const key of kept) take(stays, before, key);
  const { brokerSource, stateDirectory } = before;
  // Tasks are moved in from them since the start.
  const { sources } = before.tables;
  const tables = { ...now.tables, sources };
  return {
    settings: { ...now, ...stays, brokerSource, stateDirectory, tables },
    taken: [...taken.map(nameOf), ...(isSame(before.tables, tables) ? [] : ["tables of handlers"])],
    kept: [...kept.map(nameOf), ...(isSame(sources, now.tables.sources) ? [] : ["[source.NAME] tables"])],
  };
}

/** What runs in this process itself shares its fate: that is decided at the start. */
function isToOrFromInline(key: SettingKey, before: Settings, now: Settings): boolean {
  return key === "isolation" && [before.isolation, now.isolation].includes("inline");
}

function take<Key extends SettingKey>(into: Partial<SettingValues>, from: SettingValues, key: Key): void {
  into[key] = from[key];
}

function nameOf(key: SettingKey): string {
  return SETTING_NAMES[key].file;
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

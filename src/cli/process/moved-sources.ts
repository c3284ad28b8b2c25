/** The sources of an executor, from its tables. */
import { hasKeySources } from "../../broker/drivers.ts";
import { ConfigError } from "../../config/config-error.ts";
import type { Settings } from "../../config/settings.ts";
import { NEEDS_KEYS } from "../../config/tables/source-tables.ts";
import { type MovedSource, movedSource } from "../../executor/intake/source-figures.ts";

/** @throws ConfigError where the broker has no keys for those that need them. */
export function movedSources({ tables, broker, retentionMs }: Settings): { readonly sources?: readonly MovedSource[] } {
  const { sources } = tables;
  if (sources.length === 0) return {};
  const ofKeys = sources.filter(({ kind }) => kind !== "folder");
  if (ofKeys.length > 0 && !hasKeySources(broker)) {
    throw new ConfigError(ofKeys.map(({ origin }) => `${origin}: ${NEEDS_KEYS}`));
  }
  return {
    sources: sources.map((table) => movedSource({ ...table, retentionMs: table.retentionMs ?? retentionMs })),
  };
}

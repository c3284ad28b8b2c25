/** The sources of an executor, from its tables. */
import { hasKeySources } from "../../broker/drivers.ts";
import { ConfigError } from "../../config/config-error.ts";
import type { Settings } from "../../config/settings.ts";
import { NEEDS_KEYS } from "../../config/tables/source-tables.ts";
import { type MovedSource, movedSource } from "../../executor/intake/sources.ts";

/** @throws ConfigError where the broker has no keys for them. */
export function movedSources({ tables, broker, retentionMs }: Settings): { readonly sources?: readonly MovedSource[] } {
  const { sources } = tables;
  if (sources.length === 0) return {};
  if (!hasKeySources(broker)) throw new ConfigError(sources.map(({ origin }) => `${origin}: ${NEEDS_KEYS}`));
  return {
    sources: sources.map((table) => movedSource({ ...table, retentionMs: table.retentionMs ?? retentionMs })),
  };
}

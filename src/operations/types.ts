/**
 * The types that people see: those that living executors name in their heartbeats, and those that are paused; and what
 * these executors have counted of each since they booted.
 */
import type { Broker } from "../broker/broker.ts";
import { NO_FIGURES, type TypeFigures, typeFigures } from "./views/type-view.ts";
import { LIVES_MS, livingOf } from "./watch/waiting.ts";

/** How many are told. */
const MOST_TYPES = 1_000;

export interface SeenType extends TypeFigures {
  readonly type: string;
  /** How many living executors name it. */
  readonly executors: number;
  readonly paused: boolean;
}

export interface SeenTypes {
  /** By name. */
  readonly types: readonly SeenType[];
  /** Whether there may be more: some executors know more than they name, or there are too many. */
  readonly more: boolean;
}

/** @param own - those of this executor, which it knows whatever its beats say. */
export async function seenTypes(
  broker: Pick<Broker, "fleet" | "now" | "paused">,
  own: readonly string[],
): Promise<SeenTypes> {
  const [fleet, now] = [await broker.fleet(), broker.now()];
  const living = livingOf(fleet, now);
  const works = fleet.flatMap(({ at, beat }) => (at !== null && now - at < LIVES_MS && beat?.work ? [beat.work] : []));
  const figures = typeFigures(works);
  const counts = new Map<string, number>(own.map((type) => [type, 0]));
  for (const { types } of living) for (const type of types ?? []) counts.set(type, (counts.get(type) ?? 0) + 1);
  const paused = new Set((await broker.paused()).filter(({ kind }) => kind === "type").map(({ name }) => name));
  for (const type of [...paused, ...figures.keys()]) if (!counts.has(type)) counts.set(type, 0);
  const all = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    types: all.slice(0, MOST_TYPES).map(([type, executors]) => ({
      ...{ type, executors, paused: paused.has(type) },
      ...(figures.get(type) ?? NO_FIGURES),
    })),
    more: all.length > MOST_TYPES || living.some(({ types }) => types === null),
  };
}

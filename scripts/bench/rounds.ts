/** What every benchmark is given, and the rounds that all comparisons share. */
import type { Durability } from "./redis-server.ts";
import type { Outcome } from "./results.ts";

export interface Context {
  /** A short run: fewer tasks, fewer samples; good to see that all works, not to quote. */
  readonly quick: boolean;
  /** How often each side is measured. */
  readonly rounds: number;
  readonly redisDurability: Durability;
  /** Tells how far the run is. */
  progress(line: string): void;
}

export type Benchmark = (context: Context) => Promise<Outcome>;

/**
 * Measures all sides in turn, then all again: A B C, B C A, C A B, so that a machine that slows down (heat, a busy
 * neighbour) hits each alike. Gives each side's samples in the order of the rounds.
 */
export async function interleaved<Side, Sample>(
  sides: readonly Side[],
  rounds: number,
  measure: (side: Side, round: number) => Promise<Sample>,
): Promise<Map<Side, Sample[]>> {
  const samples = new Map<Side, Sample[]>(sides.map((side) => [side, []]));
  for (let round = 0; round < rounds; round++) {
    const shift = round % Math.max(1, sides.length);
    for (const side of [...sides.slice(shift), ...sides.slice(0, shift)]) {
      samples.get(side)?.push(await measure(side, round));
    }
  }
  return samples;
}

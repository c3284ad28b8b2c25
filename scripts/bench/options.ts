/** The arguments of the benchmark suite. */
import { parseArgs } from "node:util";
import type { Durability } from "./redis-server.ts";

export interface Options {
  readonly quick: boolean;
  readonly rounds: number;
  /** The names of the benchmarks to run; empty: all. */
  readonly only: readonly string[];
  /** Where the figures go as JSON. */
  readonly json: string | null;
  readonly redisDurability: Durability;
}

const HELP = `bun scripts/bench/main.ts [--quick] [--rounds N] [--only NAME,...] [--aof everysec|always] [--json FILE]

  --quick    fewer tasks and samples, about a minute: shows that all works, not to be quoted
  --rounds   how often each side is measured (default 3)
  --only     which benchmarks: `;

/** Reads the arguments; a string is what to tell the user instead of running. */
export function readOptions(argv: readonly string[], known: readonly string[]): Options | { readonly usage: string } {
  const usage = (problem = "") => ({ usage: `${problem}${HELP}${known.join(", ")}\n` });
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        quick: { type: "boolean", default: false },
        rounds: { type: "string", default: "3" },
        only: { type: "string", default: "" },
        aof: { type: "string" },
        json: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) return usage();
    const only = values.only.split(",").filter((name) => name !== "");
    const unknown = only.filter((name) => !known.includes(name));
    if (unknown.length > 0) return usage(`unknown benchmark ${unknown.join(", ")}\n\n`);
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 99) return usage("--rounds must be from 1 to 99\n\n");
    const aof = values.aof ?? "none";
    if (aof !== "none" && aof !== "everysec" && aof !== "always") return usage("--aof must be everysec or always\n\n");
    return { quick: values.quick, rounds, only, json: values.json ?? null, redisDurability: aof };
  } catch (error) {
    return usage(`${error instanceof Error ? error.message : String(error)}\n\n`);
  }
}

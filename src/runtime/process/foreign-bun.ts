/** How Bun calls C: `bun:ffi`. An import of it would break Node and Deno, so it is asked for here. */
import type { Argument, ForeignCalls, LibraryCall } from "./linux-calls.ts";

const TYPES = { int: "i32", long: "u64", bytes: "ptr" } as const satisfies Record<Argument, string>;

/** Call it on Bun only. */
export function bunForeignCalls(): ForeignCalls {
  const ffi = () => process.getBuiltinModule("bun:ffi") as typeof import("bun:ffi");
  return {
    open(name, signatures) {
      const table = Object.entries(signatures).map(([symbol, given]) => {
        return [symbol, { args: given.map((each) => TYPES[each]), returns: "i32" as const }] as const;
      });
      return ffi().dlopen(name, Object.fromEntries(table)).symbols as Record<string, LibraryCall>;
    },
    address: (bytes) => BigInt(ffi().ptr(bytes)),
  };
}

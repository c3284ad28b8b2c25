/** What `taskexe check` says: one line for each thing that was looked at. */

export interface Finding {
  /** What was looked at. */
  readonly part: "settings" | "token" | "state" | "broker" | "handlers" | "tables";
  /** `warning`: it works, and most likely not as it was meant. */
  readonly verdict: "ok" | "warning" | "problem";
  /** What is so, or what would not work; where that is said, its place. */
  readonly what: string;
  /** What to do; null: nothing, or it is said. */
  readonly advice: string | null;
}

export function fine(part: Finding["part"], what: string): Finding {
  return { part, verdict: "ok", what, advice: null };
}

export function problem(part: Finding["part"], what: string, advice: string | null = null): Finding {
  return { part, verdict: "problem", what, advice };
}

export function warning(part: Finding["part"], what: string): Finding {
  return { part, verdict: "warning", what, advice: null };
}

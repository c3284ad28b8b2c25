/**
 * Who is charged when a process dies over tasks. A death over a task that ran alone in its process charges one crash to
 * it. A death in company charges nobody: all that had begun there become suspects, and run again at once with at most
 * half the company, so that a guilty one is alone after a few deaths, while the innocent complete side by side. What is
 * known of a task so far travels in its message, so it needs no key and no further call. docs/ARCHITECTURE.md has the
 * whole rule.
 */
import type { HandlerEnding } from "../../handlers/handler.ts";
import { cutText } from "../../runtime/cut-text.ts";
import { MAX_CRASH_REASONS, type TaskOptions } from "../../task/message/message-schema.ts";
import type { ErrorRecord } from "../../task/record/record.ts";

/** So many deaths beyond the crash budget, charged or not, quarantine a task whatever it died of. */
const BACKSTOP = 10;
/** How many may run beside a suspect at first, however many did: else a large process had more halves than deaths. */
const MOST_COMPANY = 63;
/** How much is kept of what a process died of, in characters. */
const REASON_LENGTH = 200;

/** A process died over the task. */
export type Death = Extract<HandlerEnding, { kind: "crashed" | "suspected" }>;

/** What is known of a task's deaths. */
export interface Charges {
  readonly crashes: number;
  /** What those crashes died of, the last different ones. */
  readonly reasons: readonly string[];
  /** How often a process died over it since an attempt last ended by itself, charged or not. */
  readonly deaths: number;
  /** How many may run beside it; null: it is no suspect. */
  readonly company: number | null;
}

/** What a message says of its task. */
export function chargesIn({ crashes = 0, crash_reasons: reasons = [], deaths = 0, company }: TaskOptions): Charges {
  return { crashes, reasons, deaths, company: company ?? null };
}

/** What holds after one more death. */
export function chargesAfter(death: Death, { crashes, reasons, deaths, company }: Charges): Charges {
  if (death.kind === "crashed") {
    const reason = cutText(death.reason, REASON_LENGTH);
    const others = reasons.filter((each) => each !== reason).slice(1 - MAX_CRASH_REASONS);
    return { crashes: crashes + 1, reasons: [...others, reason], deaths: deaths + 1, company: 0 };
  }
  const beside = Math.min(death.company, company ?? Number.POSITIVE_INFINITY);
  return { crashes, reasons, deaths: deaths + 1, company: Math.min(Math.floor(beside / 2), MOST_COMPANY) };
}

/** The same as options of the next message; what is not to be told is absent. */
export function optionsOf({ crashes, reasons, deaths, company }: Charges): TaskOptions {
  return {
    ...(crashes > 0 ? { crashes } : {}),
    ...(reasons.length > 0 ? { crash_reasons: [...reasons] } : {}),
    ...(deaths > 0 ? { deaths } : {}),
    ...(company === null ? {} : { company }),
  };
}

/** The options without what they say of deaths. */
export function withoutCharges(options: TaskOptions): TaskOptions {
  const { crashes: _crashes, crash_reasons: _reasons, deaths: _deaths, company: _company, ...rest } = options;
  return rest;
}

/** Why the task must not run any more; null: it may. */
export function conviction({ crashes, reasons, deaths }: Charges, budget: number): string | null {
  if (crashes > budget) {
    const why = reasons.length > 0 ? `: ${reasons.join(", ")}` : "";
    return `quarantined: its process died ${times(crashes)} while it ran alone (crash budget ${budget})${why}`;
  }
  if (deaths < budget + BACKSTOP) return null;
  const alone = `${times(crashes)} while it ran alone`;
  return `quarantined: processes died ${times(deaths)} over it, ${alone} (crash budget ${budget})`;
}

/** The death as the error that the record keeps. */
export function errorOf(death: Death): ErrorRecord {
  const reason = cutText(death.reason, REASON_LENGTH);
  if (death.kind === "crashed") return { name: "CrashError", message: `its process died: ${reason}` };
  const others = death.company === 1 ? "one other had" : `${death.company} others had`;
  return { name: "CrashError", message: `its process died, in which ${others} begun beside it: ${reason}` };
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

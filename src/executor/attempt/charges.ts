/**
 * Who is charged when a process dies over tasks. A death over a task that ran alone in its process, and was the first
 * one there, charges one crash to it. A death in company charges nobody: all that had begun there become suspects, and
 * run again at once with at most half the company, so that a guilty one is alone after a few deaths, while the innocent
 * complete side by side. An executor's death charges nobody, but a task over which two have died is a suspect. What is
 * known of a task so far travels in its message, so it needs no key and no further call. docs/ARCHITECTURE.md has the
 * whole rule.
 */
import type { HandlerEnding } from "../../handlers/handler.ts";
import { cutText } from "../../runtime/cut-text.ts";
import { MAX_CRASH_REASONS, type TaskOptions } from "../../task/message/message-schema.ts";
import type { ErrorRecord } from "../../task/record/record.ts";

/** So many deaths beyond the crash budget, charged or not, quarantine a task whatever it died of. */
const BACKSTOP = 10;
/** Over so many executors' deaths a task is a suspect. */
const SUSPICIOUS_DEATHS = 2;
/** How many may run beside a suspect at first, however many did: else a large process had more halves than deaths. */
const MOST_COMPANY = 63;
/** How much is kept of what a process died of, in characters. */
const REASON_LENGTH = 200;

/** Executors died or stalled over the task: whoever takes it over finds it delivered more than once. */
export interface Orphaned {
  readonly kind: "orphaned";
  /** How many of them since its message was written. */
  readonly deaths: number;
  /** How many tasks may have run beside it, where it was no suspect. */
  readonly slots: number;
  /** Whether its code ran in the executor's own process, and nothing else beside it. */
  readonly ranAlone: boolean;
}

/** A process died over the task. */
export type Death = Extract<HandlerEnding, { kind: "crashed" | "suspected" }> | Orphaned;

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

/** What holds after it. */
export function chargesAfter(death: Death, before: Charges): Charges {
  const { deaths, company } = before;
  switch (death.kind) {
    case "crashed":
      return { ...withCrash(before, death.reason), deaths: deaths + 1, company: 0 };
    case "suspected": {
      const beside = Math.min(death.company, company ?? Number.POSITIVE_INFINITY);
      return { ...before, deaths: deaths + 1, company: Math.min(Math.floor(beside / 2), MOST_COMPANY) };
    }
    case "orphaned": {
      const after = { ...before, deaths: deaths + death.deaths };
      if (death.ranAlone) return { ...withCrash(after, reasonOf(death)), company: 0 };
      if (company === 0) return after;
      if (company === null && after.deaths < SUSPICIOUS_DEATHS) return after;
      // Each of these deaths costs an executor, and the time of a lease: so less than half.
      return { ...after, company: Math.min(Math.floor((company ?? death.slots) / 4), MOST_COMPANY) };
    }
  }
}

function withCrash({ crashes, reasons, ...rest }: Charges, why: string): Charges {
  const reason = cutText(why, REASON_LENGTH);
  const others = reasons.filter((each) => each !== reason).slice(1 - MAX_CRASH_REASONS);
  return { ...rest, crashes: crashes + 1, reasons: [...others, reason] };
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
  return { name: "CrashError", message: messageOf(death) };
}

function messageOf(death: Death): string {
  const reason = cutText(reasonOf(death), REASON_LENGTH);
  switch (death.kind) {
    case "crashed":
      return `its process died: ${reason}`;
    case "suspected": {
      if (death.company === 0) return `its process died, in which others had run before it: ${reason}`;
      const others = death.company === 1 ? "one other had" : `${death.company} others had`;
      return `its process died, in which ${others} begun beside it: ${reason}`;
    }
    case "orphaned":
      return reason;
  }
}

function reasonOf(death: Death): string {
  if (death.kind !== "orphaned") return death.reason;
  return death.deaths === 1 ? "its executor died or stalled" : `${death.deaths} executors died or stalled over it`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

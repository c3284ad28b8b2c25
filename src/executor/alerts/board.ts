/**
 * Which alerts there are: a rule must hold for its time before one begins, and must not hold for a minute before it
 * ends. So one that flaps is one alert. Bounded; nothing is asked and nothing is sent here.
 */
import { createHash } from "node:crypto";
import { ALERT_RULES, type AlertRule, type Finding, type Severity } from "./rules.ts";
import { type AlertSample, AlertWindow } from "./samples.ts";

/** How long a rule must not hold before its alert ends, in ms. */
export const CLEAR_MS = 60_000;
/** How many are told apart. */
const MOST_ALERTS = 200;

export interface Alert extends Finding {
  /** Of its name and labels: the same in every executor. */
  readonly key: string;
  readonly name: string;
  readonly severity: Severity;
  /** Since when its rule holds, Unix ms on the broker's clock. */
  readonly since: number;
}

interface Held {
  alert: Alert;
  /** When its rule began to hold, and when it held last; on the clock that only goes forward. */
  readonly heldFrom: number;
  heldAt: number;
  isFiring: boolean;
}

export class AlertBoard {
  readonly #rules: readonly AlertRule[];
  readonly #window = new AlertWindow();
  readonly #held = new Map<string, Held>();

  /** @param rules - default: all of them. */
  constructor(rules: readonly AlertRule[] = ALERT_RULES) {
    this.#rules = rules;
  }

  /** Those that there are, the worst first, then by name. */
  get firing(): readonly Alert[] {
    const firing = [...this.#held.values()].filter(({ isFiring }) => isFiring).map(({ alert }) => alert);
    const order = ({ severity, name }: Alert): string => `${severity} ${name}`;
    return firing.sort((one, other) => (order(one) < order(other) ? -1 : 1));
  }

  /** Takes a sample in. @param now - Unix ms on the broker's clock. @returns those that have ended. */
  take(sample: AlertSample, now: number): readonly Alert[] {
    this.#window.add(sample);
    for (const rule of this.#rules) {
      for (const finding of rule.find(sample, this.#window)) this.#hold(rule, finding, sample.at, now);
    }
    const ended: Alert[] = [];
    for (const [key, { alert, heldAt, isFiring }] of this.#held) {
      // What was no alert yet is forgotten as soon as it does not hold.
      if (heldAt === sample.at || (isFiring && sample.at - heldAt < CLEAR_MS)) continue;
      this.#held.delete(key);
      if (isFiring) ended.push(alert);
    }
    return ended;
  }

  #hold({ name, severity, forMs }: AlertRule, finding: Finding, at: number, now: number): void {
    const key = keyOf(name, finding.labels);
    const before = this.#held.get(key);
    if (before === undefined && this.#held.size >= MOST_ALERTS) return;
    const held = before ?? {
      ...{ alert: { key, name, severity, since: Math.round(now), ...finding }, heldFrom: at },
      ...{ heldAt: at, isFiring: false },
    };
    held.alert = { ...held.alert, ...finding };
    held.heldAt = at;
    held.isFiring ||= at - held.heldFrom >= forMs;
    this.#held.set(key, held);
  }
}

function keyOf(name: string, labels: Finding["labels"]): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([name, sorted]))
    .digest("hex")
    .slice(0, 16);
}

/**
 * A progress bar on standard error, drawn only where that is a terminal, at most ten times a second.
 * Where it is none, nothing is written.
 */

import { printable } from "../../task/text/printable.ts";
import { standardError } from "./outlets.ts";

const WIDTH = 30;
const REDRAW_MS = 100;

export interface ProgressBar {
  /** How much is done by now, in the unit of the total, and what to say about it. */
  update(done: number, text: string): void;
  /** Leaves the line with these last words. @param isWhole - false: it ended before the total was reached. */
  end(text: string, isWhole?: boolean): void;
}

/** The part of an output that a bar needs. */
interface Screen {
  readonly isTerminal: boolean;
  write(text: string): unknown;
}

/** Takes a bar away, so that a line can stand where it stood. */
export function clearBar(screen: Screen = standardError): void {
  screen.write("\r\x1b[K");
}

/** @param total null where it is not known beforehand: then only the text is shown. */
export function progressBar(label: string, total: number | null, screen: Screen = standardError): ProgressBar {
  if (!screen.isTerminal) return { update() {}, end() {} };
  let drawnAt = Number.NEGATIVE_INFINITY;
  let share = 0;
  const draw = (bar: string, text: string) => screen.write(`\r${printable(label)} ${bar}${printable(text)}\x1b[K`);
  return {
    update(done, text) {
      if (total) share = Math.min(1, done / total);
      if (performance.now() - drawnAt < REDRAW_MS) return;
      drawnAt = performance.now();
      draw(total ? picture(share) : "", text);
    },
    end(text, isWhole = true) {
      draw(total ? picture(isWhole ? 1 : share) : "", text);
      screen.write("\n");
    },
  };
}

function picture(share: number): string {
  const filled = Math.min(WIDTH, Math.round(share * WIDTH));
  return `[${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}] ${Math.round(share * 100)} % `;
}

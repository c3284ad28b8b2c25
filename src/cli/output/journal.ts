/**
 * Lines for systemd's journal: where standard error goes there directly, each line begins with its priority, `<3>`,
 * which the journal takes off, and has no time, since the journal keeps its own (sd-daemon(3), systemd.exec(5)).
 */
import { fstatSync } from "node:fs";

/** The numbers of syslog. */
const PRIORITIES = { trace: 7, debug: 7, info: 6, warning: 4, error: 3, fatal: 2 } as const;

export type Level = keyof typeof PRIORITIES;

/**
 * Whether this descriptor is the stream that systemd has connected to the journal: `JOURNAL_STREAM` is `DEVICE:INODE`.
 */
export function isJournal(fd: number, environment: Readonly<Record<string, string | undefined>>): boolean {
  const stream = environment.JOURNAL_STREAM;
  if (!stream) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    // It is closed.
    return false;
  }
}

/** The same lines, each with the priority in front: the journal makes an entry of every one. */
export function withPriority(level: Level, lines: string): string {
  return lines.replaceAll(/^(?=[^\n])/gm, `<${PRIORITIES[level]}>`);
}

/** The bounds of the runner protocol, version 1: both sides hold to them, whatever the other one sends. */

/** What an executor and a runner must both say. */
export const PROTOCOL = 1;

/** The runner reads this file descriptor and writes the other one; its standard output stays free. */
export const READ_DESCRIPTOR = 3;
export const WRITE_DESCRIPTOR = 4;

/** The longest line to a runner and from one, in bytes of UTF-8, its line feed included. */
export const MAX_LINE_TO_RUNNER = 16 * 1024 * 1024;
export const MAX_LINE_FROM_RUNNER = 8 * 1024 * 1024;

/** So many faults end a runner. */
export const MOST_FAULTS = 10;

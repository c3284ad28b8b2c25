/**
 * The logs of tasks: the last lines of each, which go with their task. Beyond the bound of a queue the logs of its
 * oldest tasks go; the numbers of their lines go on.
 */
import { type LogTail, MAX_LOG_LINE_LENGTH, MAX_LOG_LINES, type TaskLines } from "../contract/admin.ts";
import type { Entry } from "./store/entry.ts";
import type { QueueBooks } from "./store/queue-books.ts";
import type { MemoryStore } from "./store/store.ts";

/** What a line counts for beside its text, in bytes. */
const LINE_BYTES = 24;

/** @param most - how many bytes of logs a queue keeps; 0: any number. */
export function appendLogs(store: MemoryStore, logs: readonly TaskLines[], most: number): void {
  for (const { id, lines } of logs) {
    const entry = store.tasks.get(id);
    if (entry === undefined || lines.length === 0) continue;
    const books = store.booksOf(entry.queue);
    const cut = lines.map((line) => ({ ...line, text: line.text.slice(0, MAX_LOG_LINE_LENGTH) }));
    setLines(books, entry, [...entry.log.lines, ...cut].slice(-MAX_LOG_LINES));
    // Of more lines than are kept at once, those that were never stored have no number.
    entry.log.last += Math.min(lines.length, MAX_LOG_LINES);
    while (most > 0 && books.logBytes > most && books.logged.first !== undefined) {
      setLines(books, books.logged.first, []);
    }
  }
}

function setLines(books: QueueBooks, entry: Entry, lines: Entry["log"]["lines"]): void {
  const bytes = lines.reduce((sum, { text }) => sum + Buffer.byteLength(text) + LINE_BYTES, 0);
  books.logBytes += bytes - entry.log.bytes;
  books.logged.remove(entry);
  Object.assign(entry.log, { lines, bytes });
  if (lines.length > 0) books.logged.add(entry);
}

/** The lines behind the one with this number. */
export function logsAfter(store: MemoryStore, id: string, after: number): LogTail {
  const log = store.tasks.get(id)?.log;
  if (log === undefined) return { lines: [], last: 0 };
  const behind = Math.max(0, log.last - after);
  return { lines: behind === 0 ? [] : log.lines.slice(-behind), last: log.last };
}

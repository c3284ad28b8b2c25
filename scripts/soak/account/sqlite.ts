/**
 * The account of an SQLite queue in which all tasks have ended: every table, with a rule that says how many rows of it
 * may still be there. A table without a rule, or a row that its rule does not explain, is a problem.
 */
import { statSync } from "node:fs";
import { MAX_LOG_LINES } from "../../../src/broker/contract/admin.ts";
import { MOST_AUDIT_ENTRIES } from "../../../src/broker/contract/audit.ts";
import { STATE } from "../../../src/broker/sqlite/file/schema.ts";
import { runtime, type SqlDatabase } from "../../../src/runtime/index.ts";
import { type Account, type Expected, few, type Kind, SLACK_MS } from "./account.ts";

const HOUR_MS = 3_600_000;
/** Beats are trimmed to this. */
const BEATS_MS = HOUR_MS / 2;
/** So many leftover ids are not worth a sweep: of a file with tasks, and of one without. */
const LEFTOVERS = 30_000;
const LEFTOVERS_WITHOUT_TASKS = 5_000;
/** What the sweep that is under way, and the commits since it, may have left. */
const SWEEPING = 10_000;
/** Its log is written back at this size, in bytes; a long transaction may make it twice as long. */
const LOG_BYTES = 4_000 * 4_096;

type Rule = (look: Look) => readonly string[];

interface Look {
  readonly now: number;
  readonly expected: Expected;
  /** The number in the first column of the first row. */
  number(sql: string, ...values: (string | number)[]): number;
  texts(sql: string, ...values: (string | number)[]): string[];
}

const ENDED = [STATE.done, STATE.dead, STATE.cancelled].join();
const IS_OPEN = `state NOT IN (${ENDED})`;
const ALIVE = `(SELECT 1 FROM ids JOIN tasks ON tasks.seq = ids.seq WHERE ids.id = cancels.id AND ${IS_OPEN})`;

export const RULES: Readonly<Record<string, Rule>> = {
  tasks: (look) => [
    ...look
      .texts(`SELECT id || ': is in the state ' || state FROM tasks WHERE state NOT IN (${ENDED})`)
      .map((text) => `tasks: ${text}, though all has ended`),
    ...look
      .texts("SELECT id FROM tasks WHERE expires_at <= ?", look.now - SLACK_MS)
      .map((id) => `tasks: the time of ${id} is over`),
    ...crowded(look),
  ],
  ids: ({ number }) => {
    const tasks = number("SELECT count(*) FROM tasks");
    const left = number("SELECT count(*) FROM ids") - tasks;
    const most = SWEEPING + (tasks === 0 ? LEFTOVERS_WITHOUT_TASKS : Math.max(LEFTOVERS, tasks));
    const lost = number("SELECT count(*) FROM tasks LEFT JOIN ids ON ids.id = tasks.id WHERE ids.seq IS NOT tasks.seq");
    return [
      ...(left > most ? [`ids: ${left} have outlived their tasks, more than ${most}`] : []),
      ...(lost > 0 ? [`ids: ${lost} tasks are not found by their id`] : []),
    ];
  },
  counts: ({ texts }) =>
    texts(`SELECT c.queue || ': ' || c.n || ' in the state ' || c.state || ', of which there are ' ||
        (SELECT count(*) FROM tasks t WHERE t.queue = c.queue AND t.state = c.state)
      FROM counts c WHERE c.n <> (SELECT count(*) FROM tasks t WHERE t.queue = c.queue AND t.state = c.state)`).map(
      (text) => `counts: ${text}`,
    ),
  ledger: only("ledger", 1),
  cancels: (look) => {
    const old = look.number(
      `SELECT count(*) FROM cancels WHERE at <= ? AND NOT EXISTS ${ALIVE}`,
      look.now - HOUR_MS - SLACK_MS,
    );
    return old > 0 ? [`cancels: ${old} flags whose time is over`] : [];
  },
  executors: (look) => only("executors", look.expected.executors)(look),
  beats: (look) => {
    const old = look.number("SELECT count(*) FROM beats WHERE at <= ?", look.now - BEATS_MS - SLACK_MS);
    return old > 0 ? [`beats: ${old} are older than half an hour`] : [];
  },
  locks: only("locks", 2),
  // As many as somebody has paused, or put, by hand.
  paused: () => [],
  schedules: () => [],
  logs: ({ texts }) => [
    ...texts("SELECT DISTINCT task FROM logs WHERE task NOT IN (SELECT seq FROM tasks)").map(
      (task) => `logs: lines of the task ${task}, which is not there`,
    ),
    ...texts(`SELECT task FROM logs GROUP BY task HAVING count(*) > ${MAX_LOG_LINES}`).map(
      (task) => `logs: more than ${MAX_LOG_LINES} lines of the task ${task}`,
    ),
  ],
  log_sizes: ({ texts }) =>
    texts("SELECT task FROM log_sizes WHERE task NOT IN (SELECT task FROM logs)").map(
      (task) => `log_sizes: the size of a log of the task ${task}, which is not there`,
    ),
  log_totals: ({ texts }) =>
    texts(`SELECT queue || ': says ' || bytes FROM log_totals t
      WHERE bytes <> (SELECT total(bytes) FROM log_sizes s WHERE s.queue = t.queue)`).map(
      (text) => `log_totals: ${text} bytes, which its logs do not have`,
    ),
  orders: (look) => [
    ...look
      .texts("SELECT name FROM orders WHERE until <= ?", look.now - SLACK_MS)
      .map((name) => `orders: the time of that of ${name} is over`),
  ],
  on_cancelled: () => [],
  audit: only("audit", MOST_AUDIT_ENTRIES),
  uniques: (look) => [
    ...look
      .texts("SELECT key FROM uniques WHERE until <= ?", look.now - SLACK_MS)
      .map((key) => `uniques: the time of ${key} is over`),
    ...look
      .texts("SELECT key || ' by ' || id FROM uniques WHERE until IS NULL")
      .map((text) => `uniques: held ${text}, though all has ended`),
  ],
};

/** @param path - the file of the database; nobody may write to it meanwhile. */
export function accountOfSqlite(path: string, expected: Expected): Account {
  const db = runtime.openDatabase(path);
  try {
    const look = lookInto(db, expected);
    const kinds: Kind[] = [];
    const problems: string[] = [];
    for (const table of look.texts(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )) {
      kinds.push({ name: table, ...sizeOf(look, table) });
      const rule = RULES[table];
      problems.push(...(rule === undefined ? [`${table}: no rule explains this table`] : few(rule(look))));
    }
    return { kinds, problems: [...problems, ...log(path)] };
  } finally {
    db.close();
  }
}

function lookInto(db: SqlDatabase, expected: Expected): Look {
  const rows = (sql: string, values: (string | number)[]): unknown[] =>
    db
      .prepare(sql)
      .all(...values)
      .map((row) => Object.values(row)[0]);
  return {
    now: Date.now(),
    expected,
    number: (sql, ...values) => Number(rows(sql, values)[0]),
    texts: (sql, ...values) => rows(sql, values).map(String),
  };
}

/** In bytes: what its pages take is known to SQLite only where it is built with dbstat. */
function sizeOf({ number, texts }: Look, table: string): { readonly count: number; readonly bytes: number } {
  const columns = texts("SELECT name FROM pragma_table_info(?)", table);
  const bytes = columns.map((name) => `total(length(CAST("${name}" AS BLOB)))`).join(" + ");
  return { count: number(`SELECT count(*) FROM "${table}"`), bytes: number(`SELECT ${bytes} FROM "${table}"`) };
}

function only(table: string, most: number): Rule {
  return ({ number }) => {
    const count = number(`SELECT count(*) FROM "${table}"`);
    return count > most ? [`${table}: ${count} rows, more than ${most}`] : [];
  };
}

function crowded({ expected, texts }: Look): string[] {
  const limits = [
    [STATE.done, expected.doneLimit],
    [STATE.cancelled, expected.cancelledLimit],
    [STATE.dead, expected.deadLimit],
  ] as const;
  return limits
    .filter(([, limit]) => limit > 0)
    .flatMap(([state, limit]) =>
      texts(
        "SELECT queue || ': ' || count(*) FROM tasks WHERE state = ? GROUP BY queue HAVING count(*) > ?",
        state,
        limit,
      ).map((text) => `tasks: ${text} in the state ${state}, more than ${limit}`),
    );
}

function log(path: string): string[] {
  const size = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  return size > 2 * LOG_BYTES ? [`the file: its log has ${size} bytes, more than ${2 * LOG_BYTES}`] : [];
}

/**
 * The tables of a taskexe database, and the numbers by which it is known again.
 *
 * `tasks` holds every task that is kept. `place` is where it stands in line: a new one takes the next number, a
 * released one keeps its own (and is first again), a retried one takes a new one. `token` is the fence: drawn anew at
 * every claim, so that who lost the lease no longer matches. `ids` finds a task by id. Its entries outlive their tasks
 * and are swept in bulk: ids are random, so removing each at once would dirty a page a task (a third of the speed).
 * `token`, `lease_until` and `started_at` are filled from the start with values as long as the later ones: a claim then
 * overwrites the row in place, instead of splitting pages. They mean something while the task runs, `started_at` from
 * the first attempt on. `counts` is kept in the same transactions as the tasks, so that counting a million rows costs
 * nothing.
 */
import { TASK_STATES, type TaskState } from "../../../task/state.ts";

/** PRAGMA application_id: "tskx". */
export const APPLICATION_ID = 0x74_73_6b_78;
/** How a state is stored. Never renumber: the numbers are in people's files, and in the indexes below. */
export const STATE = {
  queued: 0,
  running: 1,
  scheduled: 2,
  retrying: 3,
  done: 4,
  dead: 5,
  cancelled: 6,
} as const satisfies Record<TaskState, number>;

/**
 * Queued, but its type is paused: aside from the line, so that no claim walks past it again and again. Its place stays.
 */
export const PARKED = 7;

const STATE_NAMES = new Map<number, TaskState>(TASK_STATES.map((name) => [STATE[name], name]));
STATE_NAMES.set(PARKED, "queued");

/** @throws RangeError for a number that stands for no state: the file was changed by somebody else. */
export function stateName(code: number): TaskState {
  const name = STATE_NAMES.get(code);
  if (name === undefined) throw new RangeError(`the database holds a task in the unknown state ${code}`);
  return name;
}

/** What a line of a log takes beside its text, in bytes, about. */
export const LOG_LINE_BYTES = 40;

/** The token of a task that nobody holds; as long in the file as any other. */
export const NO_TOKEN = 2 ** 46;

const FIRST = `
CREATE TABLE tasks(
  seq INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  place INTEGER NOT NULL,
  token INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  started_at INTEGER,
  owner TEXT,
  deliveries INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  completions INTEGER NOT NULL DEFAULT 0,
  enqueued_at INTEGER NOT NULL,
  queued_at INTEGER,
  due_at INTEGER,
  finished_at INTEGER,
  expires_at INTEGER,
  retention_ms INTEGER NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  progress REAL NOT NULL DEFAULT 0,
  progress_msg TEXT NOT NULL DEFAULT '',
  result TEXT,
  reason TEXT,
  error TEXT,
  message TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_queued ON tasks(queue, priority DESC, place) WHERE state = ${STATE.queued};
CREATE INDEX tasks_running ON tasks(lease_until) WHERE state = ${STATE.running};
CREATE INDEX tasks_due ON tasks(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_expiring ON tasks(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX tasks_dead ON tasks(queue, finished_at) WHERE state = ${STATE.dead};
CREATE TABLE ids(id TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE counts(queue TEXT, state INTEGER, n INTEGER NOT NULL, PRIMARY KEY(queue, state)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  next INTEGER NOT NULL,
  stale INTEGER NOT NULL,
  swept_to TEXT,
  probe INTEGER NOT NULL
) STRICT;
INSERT INTO ledger VALUES(1, 1, 0, NULL, 0);
CREATE TABLE cancels(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL) STRICT;
CREATE INDEX cancels_at ON cancels(at);
CREATE TABLE executors(name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE beats(name TEXT NOT NULL, at INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
CREATE INDEX beats_of ON beats(name, at);
CREATE INDEX beats_at ON beats(at);
CREATE TABLE locks(name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA application_id = ${APPLICATION_ID};
`;

/**
 * What people ask for by hand. `tasks_listed` leaves out queued and running tasks, so that a task which keeps no record
 * pays nothing for it; `type` is in it to be filtered by without a look at the rows. A query must say `state > 1` too.
 * `paused.resuming`: resumed, but tasks of that type may still be parked. `uniques.until`: null, until its task has
 * ended.
 */
const ADMINISTRATION = `
CREATE INDEX tasks_listed ON tasks(state, queue, seq, type) WHERE state > 1;
CREATE INDEX tasks_parked ON tasks(type, seq) WHERE state = ${PARKED};
CREATE TABLE paused(kind TEXT, name TEXT, resuming INTEGER NOT NULL, PRIMARY KEY(kind, name)) STRICT, WITHOUT ROWID;
CREATE TABLE schedules(
  name TEXT PRIMARY KEY,
  cron TEXT NOT NULL,
  timezone TEXT,
  type TEXT NOT NULL,
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  payload TEXT NOT NULL,
  retention_ms INTEGER NOT NULL,
  next_at INTEGER,
  last_at INTEGER
) STRICT;
CREATE TABLE logs(
  task INTEGER,
  line INTEGER,
  at INTEGER NOT NULL,
  level TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY(task, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE uniques(
  queue TEXT,
  key TEXT,
  task INTEGER NOT NULL,
  id TEXT NOT NULL,
  until INTEGER,
  PRIMARY KEY(queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX uniques_of ON uniques(task);
CREATE INDEX uniques_until ON uniques(until) WHERE until IS NOT NULL;
`;

/** A schedule is one text for what was put and one for what has come of it; "": nothing has since the step. */
const SCHEDULES = `
CREATE TABLE schedules_new(
  name TEXT PRIMARY KEY, definition TEXT NOT NULL, state TEXT NOT NULL, next_at INTEGER
) STRICT;
INSERT INTO schedules_new SELECT name, json_object('name', name, 'cron', cron, 'timezone', timezone, 'type', type,
  'queue', queue, 'priority', priority, 'payload', payload, 'retentionMs', retention_ms, 'lastAt', last_at), '', next_at
  FROM schedules;
DROP TABLE schedules;
ALTER TABLE schedules_new RENAME TO schedules;
`;

/** Why a result was left out, and the errors of the attempts as JSON: an array, the first and the last ones. */
const ATTEMPT_ERRORS = `
ALTER TABLE tasks ADD COLUMN result_omitted TEXT;
ALTER TABLE tasks ADD COLUMN errors TEXT;
`;

/**
 * When a schedule is to be looked at (null: never), and which number its last put had; so that those which are
 * not due cost nothing.
 */
const DUE_SCHEDULES = `
ALTER TABLE schedules ADD COLUMN look_at INTEGER;
ALTER TABLE schedules ADD COLUMN put INTEGER NOT NULL DEFAULT 0;
UPDATE schedules SET look_at = 0;
CREATE INDEX schedules_due ON schedules(look_at) WHERE look_at IS NOT NULL;
CREATE INDEX schedules_put ON schedules(put);
`;

/** How large the log of each task is, and those of a queue together, in bytes: kept with every write to `logs`. */
const LOG_SIZES = `
CREATE TABLE log_sizes(task INTEGER PRIMARY KEY, queue TEXT NOT NULL, bytes INTEGER NOT NULL) STRICT;
CREATE INDEX log_sizes_of ON log_sizes(queue, task);
CREATE TABLE log_totals(queue TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO log_sizes SELECT task, queue, sum(octet_length(text) + ${LOG_LINE_BYTES})
  FROM logs JOIN tasks ON tasks.seq = logs.task GROUP BY task;
INSERT INTO log_totals SELECT queue, sum(bytes) FROM log_sizes GROUP BY queue;
`;

/** What follows a task of a type that is cancelled while it waits; "": of any type. */
const ON_CANCELLED = `
CREATE TABLE on_cancelled(type TEXT PRIMARY KEY, follower TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/** Where the time of the last attempt went, of a task that is done or cancelled: task/record/attempt-times.ts. */
const ATTEMPT_TIMES = `
ALTER TABLE tasks ADD COLUMN times TEXT;
`;

/** Who has changed what, the oldest first. */
const AUDIT = `
CREATE TABLE audit(seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, entry TEXT NOT NULL) STRICT;
`;

/** The order for an executor, which its next beat brings; over `until`, Unix ms, it is as if it were not there. */
const ORDERS = `
CREATE TABLE orders(name TEXT PRIMARY KEY, json TEXT NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** The step at n leads from format n to n + 1: a new file takes all of them, an old one those that it lacks. */
const STEPS: readonly string[] = [
  FIRST,
  ADMINISTRATION,
  SCHEDULES,
  ATTEMPT_ERRORS,
  DUE_SCHEDULES,
  LOG_SIZES,
  ON_CANCELLED,
  ATTEMPT_TIMES,
  AUDIT,
  ORDERS,
];

/** PRAGMA user_version: how many steps a file has taken. */
export const SCHEMA_VERSION = STEPS.length;

/** The statements that lead from a format to the present one; to be run in one transaction. */
export function stepsFrom(version: number): string {
  return `${STEPS.slice(version).join("")}PRAGMA user_version = ${SCHEMA_VERSION};`;
}

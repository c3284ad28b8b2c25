/**
 * The tables of a taskexe database, and the numbers by which it is known again.
 *
 * `tasks` holds every task that is kept. `place` is where it stands in line: a new one takes the next number, a
 * released one keeps its own (and is first again), a retried one takes a new one. `token` is the fence: drawn anew at
 * every claim, so that who lost the lease no longer matches. `ids` finds a task by id. Its entries outlive their tasks
 * and are swept in bulk: ids are random, so removing each at once would dirty a page a task (a third of the speed).
 * `token`, `lease_until` and `started_at` are filled from the start with values as long as the later ones: a claim then
 * overwrites the row in place, instead of splitting pages. They mean something while the task runs, `started_at` from
 * the first attempt on. `counts` is kept in the same transactions as the tasks, so that counting a million rows costs nothing.
 */
import { TASK_STATES, type TaskState } from "../../task/state.ts";

/** PRAGMA application_id: "tskx". */
export const APPLICATION_ID = 0x74_73_6b_78;
/** PRAGMA user_version: raised with each change of the tables. */
export const SCHEMA_VERSION = 1;

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

const STATE_NAMES = new Map<number, TaskState>(TASK_STATES.map((name) => [STATE[name], name]));

/** @throws RangeError for a number that stands for no state: the file was changed by somebody else. */
export function stateName(code: number): TaskState {
  const name = STATE_NAMES.get(code);
  if (name === undefined) throw new RangeError(`the database holds a task in the unknown state ${code}`);
  return name;
}

/** The token of a task that nobody holds; as long in the file as any other. */
export const NO_TOKEN = 2 ** 46;

export const SCHEMA = `
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
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * What each route needs, in one table: the role, and whether a token that is limited to queues may ask at all. The API
 * asks it, its description and the buttons of the page are made of it. A route without a row is for admins alone, and
 * fails a test.
 */

/** Each may do what those before it may. */
export const ROLES = ["read", "operate", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Whoever asks. */
export interface Caller {
  /** That of its token; of whoever needs none, what it is. */
  readonly name: string;
  readonly role: Role;
  /** The only queues that it may see and change; null: all. */
  readonly queues: ReadonlySet<string> | null;
}

export interface Need {
  readonly role: Role;
  /** Of the whole fleet: nothing for whoever is limited to queues. */
  readonly isWhole?: true;
}

const READ: Need = { role: "read" };
const OPERATE: Need = { role: "operate" };
const OPERATE_ALL: Need = { role: "operate", isWhole: true };
const ADMIN_ALL: Need = { role: "admin", isWhole: true };

/** By operationId. */
export const NEEDS: Readonly<Record<string, Need>> = {
  listTasks: READ,
  getTask: READ,
  getTaskLogs: READ,
  watchTask: READ,
  enqueueTasks: OPERATE,
  cancelTask: OPERATE,
  retryTask: OPERATE,
  promoteTask: OPERATE,
  editTask: OPERATE,
  cancelTasks: OPERATE,
  retryTasks: OPERATE,
  promoteTasks: OPERATE,
  purgeTasks: OPERATE,
  listQueues: READ,
  pauseQueue: OPERATE,
  resumeQueue: OPERATE,
  quietExecutor: ADMIN_ALL,
  resumeExecutor: ADMIN_ALL,
  drainExecutor: ADMIN_ALL,
  resizeExecutor: ADMIN_ALL,
  getHistory: READ,
  listTypes: READ,
  getType: READ,
  pauseType: OPERATE_ALL,
  resumeType: OPERATE_ALL,
  listSchedules: READ,
  getSchedule: READ,
  putSchedule: OPERATE,
  removeSchedule: OPERATE,
  runSchedule: OPERATE,
  pauseSchedule: OPERATE,
  resumeSchedule: OPERATE,
  listenToEvents: READ,
  listAlerts: READ,
  listChanges: ADMIN_ALL,
  getDescription: READ,
};

/**
 * The paths beside the API. `open`: everybody; `status`: everybody, or with `open_status = 0` this machine and whoever
 * has a token; `page`: it asks the API as whoever looks.
 */
export const PATHS_BESIDE: Readonly<Record<string, "open" | "status" | "page">> = {
  "/": "open",
  "/healthz": "open",
  "/readyz": "open",
  "/status": "status",
  "/status/tree": "status",
  "/metrics": "status",
  "/metrics/broker": "status",
  "/ui": "page",
};

/** What an operation needs. */
export function needOf(operationId: string): Need {
  return Object.hasOwn(NEEDS, operationId) ? (NEEDS[operationId] ?? ADMIN_ALL) : ADMIN_ALL;
}

/** Why it may not; null: it may. */
export function refusalOf({ role, queues }: Pick<Caller, "role" | "queues">, operationId: string): string | null {
  const need = needOf(operationId);
  if (ROLES.indexOf(role) < ROLES.indexOf(need.role)) return `${operationId} needs the role ${need.role}, not ${role}`;
  if (need.isWhole === true && queues !== null) return `${operationId} is for the whole fleet, not for some queues`;
  return null;
}

/** The operations beyond reading that it may ask for, as the page has buttons for them. */
export function mayChange(caller: Caller): string[] {
  return Object.keys(NEEDS).filter((id) => needOf(id).role !== "read" && refusalOf(caller, id) === null);
}

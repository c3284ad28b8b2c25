/**
 * Every Redis key in one place. The first block is the wire contract that RagFlow's producers and admin pages rely on;
 * the second block is ours alone.
 */

/** The consumer group of every queue. */
export const GROUP = "rag_flow_svr_task_broker";
/** The one field of a stream entry. */
export const MESSAGE_FIELD = "message";
/** The set of executor names; each name is itself the key of that executor's heartbeats. */
export const EXECUTORS_KEY = "TASKEXE";
/** The clean-up lock: its owner's name, 60 s to live. */
export const LOCK_KEY = "clean_task_executor";

/** The stream of one priority of a queue. */
export function streamKey(queue: string, priority: number): string {
  return `te.${priority}.${queue}`;
}

/** How the keys begin that are ours alone. */
export const OWN_PREFIX = "taskexe:";

/**
 * Any non-empty value cancels the task. Only where an id begins as our own keys do, the flag has a place of its own: no
 * producer of the wire contract has such ids.
 */
export function cancelFlagKey(id: string): string {
  return id.startsWith(OWN_PREFIX) ? `taskexe:flag:${id}` : `${id}-cancel`;
}

/** The channel on which ids of cancelled tasks are pushed, as a JSON array. */
export const CANCEL_CHANNEL = "taskexe:cancel";
/** What is pushed there, too: entries may have changed hands, so each executor asks before it ends one. */
export const DOUBT = '"doubt"';
/** What follows a task of a type that is cancelled while it waits, as executors have told: a hash, "" for all types. */
export const ON_CANCELLED_KEY = "taskexe:on-cancelled";
/** Ids cancelled while they waited in a stream; the score is when the mark may be forgotten, Unix ms. */
export const CANCELLED_KEY = "taskexe:marked-cancelled";
/** Of the errors of a task's attempts each has a field in its record, by its number from 1. */
export const ERROR_FIELD = "error:";
/** Who holds a source: the name of an executor, for a second. */
export function sourceKey(name: string): string {
  return `taskexe:source:${name}`;
}

/** Who has changed what: a stream. */
export const AUDIT_KEY = "taskexe:audit";
/** The last fence that a lock of a user was taken under. */
export const LOCK_FENCE_KEY = "taskexe:lock-fence";
/** Never there: a write to it, only if it is there, shows whether writes are refused. */
export const PROBE_KEY = "taskexe:probe";
/** The prefix of the hash records. */
export const RECORD_PREFIX = "taskexe:task:";

export function recordKey(id: string): string {
  return RECORD_PREFIX + id;
}

/** The lines of a task's log, a list; gone with its record. */
export const LOG_PREFIX = "taskexe:log:";

export function logKey(id: string): string {
  return LOG_PREFIX + id;
}

/** How large the logs of a queue's tasks are in bytes: a hash by id, and all together under "". */
export function logSizesKey(queue: string): string {
  return `taskexe:log-sizes:${queue}`;
}

/** The tasks of a queue that have a log, a sorted set by when they began it. */
export function logOrderKey(queue: string): string {
  return `taskexe:log-order:${queue}`;
}

/** What is paused: `queue:NAME` and `type:NAME`. */
export const PAUSED_KEY = "taskexe:paused";
/** Which queues and types have tasks parked: the ends of the keys below. */
export const PARKED_TYPES_KEY = "taskexe:parked-types";
export const PARKED_PREFIX = "taskexe:parked:";

/** How a queue and a type stand in PARKED_TYPES_KEY. */
export function parkedName(queue: string, type: string): string {
  return `${queue}:${type}`;
}

/** Ids of tasks that wait until their type is resumed; the score is when they were parked, Unix ms. */
export function parkedKey(queue: string, type: string): string {
  return PARKED_PREFIX + parkedName(queue, type);
}

/** Of CANCELLED_KEY those whose entry still stands in a stream of this queue: they are queued no more. */
export function waitingCancelledKey(queue: string): string {
  return `taskexe:waiting-cancelled:${queue}`;
}

export const UNIQUE_PREFIX = "taskexe:unique:";

/** The id of the task that holds a unique key. */
export function uniqueKey(queue: string, key: string): string {
  return `${UNIQUE_PREFIX}${queue}:${key}`;
}

/** Who removes what is over just now; ends by itself. */
export const REMOVING_KEY = "taskexe:removing";

/** There while the names of the fleet have been looked through lately: once for all executors. */
export const EXPELLED_KEY = "taskexe:expelled";

/** All queues that were ever used, until they are given up; the score is when each was used last, Unix ms. */
export const QUEUES_KEY = "taskexe:queues";
/** Of these, the names of those whose streams stood there before: they are somebody else's, and are never deleted. */
export const FOREIGN_QUEUES_KEY = "taskexe:foreign-queues";
/** Of these, how much the executors that served a queue last keep of it: a hash by name. */
export const QUEUE_RULES_KEY = "taskexe:queue-rules";
/** How far the walks over all queues and over all keys have come: a hash, see queue-upkeep.ts. */
export const QUEUE_WALK_KEY = "taskexe:queue-walk";
/** There while the queues have been looked after lately: once for all executors. */
export const QUEUES_TENDED_KEY = "taskexe:queues-tended";

/** What was seen of tasks that say queued and that nothing holds: a hash, see vanished.ts. */
export const VANISHED_KEY = "taskexe:vanished";

/** Of them, entries that stand in a stream and are nobody's, with its name; the score is since when, Unix ms. */
export const NOBODYS_KEY = "taskexe:nobodys";

/** By stream the entry that was ended and stands there still, being the last that the group has delivered: a hash. */
export const LEFT_ENTRIES_KEY = "taskexe:left-entries";
/**
 * By stream from when until when none of ours reads it, Unix ms, so that executors of another program get what we have
 * left to them: a hash, see other-programs.ts.
 */
export const LEFT_TO_OTHERS_KEY = "taskexe:left-to-others";
/** Entries of tasks that are gone, which nobody has claimed yet: `STREAM ENTRY`, all scores are 0. */
export const VOID_ENTRIES_KEY = "taskexe:void-entries";

/** The definitions of schedules, and what has come of each: hashes by name. */
export const SCHEDULES_KEY = "taskexe:schedules";
export const SCHEDULE_STATES_KEY = "taskexe:schedule-states";
/** When each fires next, Unix ms: only read, where a schedule has no state yet. */
export const SCHEDULE_TIMES_KEY = "taskexe:schedule-times";

/** When each is to be looked at, Unix ms. */
export const SCHEDULES_DUE_KEY = "taskexe:schedules-due";
/** Names by when they were put, and the number of the last put: executors tell what they know of those that are new. */
export const SCHEDULES_PUT_KEY = "taskexe:schedules-put";
export const SCHEDULES_PUTS_KEY = "taskexe:schedules-puts";

/** Ids of scheduled and retrying tasks; the score is when they are due, Unix ms. */
export function scheduledKey(queue: string): string {
  return `taskexe:scheduled:${queue}`;
}

/** Ids of done tasks; the score is when their record may go, Unix ms. */
export function doneKey(queue: string): string {
  return `taskexe:done:${queue}`;
}

/** Ids of cancelled tasks; the score is when their record may go, Unix ms. */
export function cancelledKey(queue: string): string {
  return `taskexe:cancelled:${queue}`;
}

/** Ids of dead tasks; the score is when they died, Unix ms. */
export function deadKey(queue: string): string {
  return `taskexe:dead:${queue}`;
}

/** The order for an executor: a string, `ORDER_MS` to live. */
export function orderKey(executor: string): string {
  return `taskexe:order:${executor}`;
}
/** Before a name, in the channel of cancels: an order is there for that executor. */
export const ORDER_NEWS = "order:";

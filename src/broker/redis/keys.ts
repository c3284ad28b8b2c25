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

/** Any non-empty value cancels the task. */
export function cancelFlagKey(id: string): string {
  return `${id}-cancel`;
}

/** The channel on which ids of cancelled tasks are pushed, as a JSON array. */
export const CANCEL_CHANNEL = "taskexe:cancel";
/** Ids cancelled while they waited in a stream; the score is when the mark may be forgotten, Unix ms. */
export const CANCELLED_KEY = "taskexe:cancelled";
/** The prefix of the hash records. */
export const RECORD_PREFIX = "taskexe:task:";

export function recordKey(id: string): string {
  return RECORD_PREFIX + id;
}

/** Ids of scheduled and retrying tasks; the score is when they are due, Unix ms. */
export function scheduledKey(queue: string): string {
  return `taskexe:scheduled:${queue}`;
}

/** Ids of done and cancelled tasks; the score is when their record may go, Unix ms. */
export function endedKey(queue: string): string {
  return `taskexe:ended:${queue}`;
}

/** Ids of dead tasks; the score is when they died, Unix ms. */
export function deadKey(queue: string): string {
  return `taskexe:dead:${queue}`;
}

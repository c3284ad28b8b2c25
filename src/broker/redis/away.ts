/** Which answers mean that Redis is not there, or not now: whoever asked tries again, and nothing is wrong with it. */

/** Loading, a full disk, no memory, a replica, a failover. */
const NOT_NOW = /^(LOADING|MISCONF|OOM|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|UNKILLABLE)\b/;

/** Whether Redis itself said no to what was asked, and would say so again. */
export function isRefusal(error: Error, message = error.message): boolean {
  return error.name === "ReplyError" && !NOT_NOW.test(message);
}

/** The error among the replies that says Redis is not there, or not now; null where each stands for itself. */
export function awayError(replies: readonly (readonly [error: Error | null, reply: unknown])[]): Error | null {
  for (const [error] of replies) if (error !== null && !isRefusal(error)) return error;
  return null;
}

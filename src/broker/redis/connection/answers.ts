/**
 * What an error that Redis answered means, by its code: for whom it holds and whether it heals. Four kinds:
 * `elsewhere` and `later` hold for the server as a whole, whoever asks: it is no master (any more), or it cannot just
 * now. `ours to mend` holds for a key, a group or a right: an executor that meets it in what it has to do is refused,
 * and a user who meets it with a call of theirs has made a mistake and is told at once. What is left is a mistake of
 * this program, which no waiting heals.
 */

export type AnswerKind = "elsewhere" | "later" | "mendable" | "mistake";

const KINDS: readonly (readonly [AnswerKind, RegExp])[] = [
  // A replica, or a master that has lost its cluster or its replicas: the master may be behind the same address by now.
  ["elsewhere", /^(READONLY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|MOVED|ASK)\b|^UNBLOCKED\b.*instance state changed/],
  // It loads its data, its disk or its memory is full, a script holds it, or it does not let us in.
  ["later", /^(LOADING|MISCONF|OOM|BUSY|UNKILLABLE|TRYAGAIN|NOAUTH|WRONGPASS|DENIED|NOQUORUM)\b/],
  ["later", /^ERR max number of clients/i],
  // Somebody else's key, a group that is gone, a right that was taken, a command that was renamed.
  [
    "mendable",
    /^(WRONGTYPE|NOGROUP|UNBLOCKED|NOPERM|EXECABORT|CROSSSLOT)\b|^ERR The user executing the script can't\b/,
  ],
  ["mendable", /^ERR (unknown (redis )?(sub)?command|invalid command passed)/i],
  ["mendable", /^ERR (no such key|DB index is out of range|SELECT is not allowed)/i],
];

/** What an answer means. @param message - the answer, its code first. */
export function kindOfAnswer(message: string): AnswerKind {
  return KINDS.find(([, code]) => code.test(message))?.[0] ?? "mistake";
}

/** Whether it is an answer of Redis; anything else is a matter of the connection. */
export function isAnswer(error: Error): boolean {
  return error.name === "ReplyError";
}

/** Whether Redis refuses whatever is asked of it, and not only what was asked here. */
export function isServerRefusal(error: Error, message = error.message): boolean {
  return isAnswer(error) && /^(elsewhere|later)$/.test(kindOfAnswer(message));
}

/** The error among the replies that says Redis is not there, or not now; null where each stands for itself. */
export function unavailableError(replies: readonly (readonly [error: Error | null, reply: unknown])[]): Error | null {
  for (const [error] of replies) if (error !== null && (!isAnswer(error) || isServerRefusal(error))) return error;
  return null;
}

/** What Redis said. That a transaction was discarded says nothing: one of its commands had been refused, and why. */
export function causeOf(error: Error): string {
  const refused: unknown = "previousErrors" in error ? error.previousErrors : undefined;
  const [first]: unknown[] = Array.isArray(refused) ? refused : [];
  return first instanceof Error ? first.message : error.message;
}

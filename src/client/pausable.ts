/** What a program pauses: a queue or a type. */
import type { PauseTarget } from "../broker/contract/admin.ts";

/** A queue or a type by its name. */
export type Pausable = { readonly queue: string } | { readonly type: string };

export function targetOf(what: Pausable): PauseTarget {
  return "queue" in what ? { kind: "queue", name: what.queue } : { kind: "type", name: what.type };
}

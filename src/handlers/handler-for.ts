/**
 * Which handler runs a task: that of its type, else the catch-all, whose type is `*`. Whoever wants to know what is
 * said of a type before it is run asks for that type alone: another executor may have a handler of its own for it.
 */
import { CATCH_ALL } from "../task/message/message-schema.ts";

/** @param handlers - all that there are here. */
export function handlerFor<H>(handlers: { get(type: string): H | undefined }, type: string): H | undefined {
  return handlers.get(type) ?? handlers.get(CATCH_ALL);
}

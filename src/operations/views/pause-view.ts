/** The JSON form of pauses: of one queue or type, and of all that is paused, by kind. */
import * as v from "valibot";
import type { PauseTarget } from "../../broker/contract/admin.ts";

export const PauseView = v.object({ kind: v.picklist(["queue", "type"]), name: v.string(), paused: v.boolean() });

export type PauseJson = v.InferOutput<typeof PauseView>;

export const PausedView = v.object({ queues: v.array(v.string()), types: v.array(v.string()) });

export function pausedView(targets: readonly PauseTarget[]): v.InferOutput<typeof PausedView> {
  const names = (kind: PauseTarget["kind"]): string[] =>
    targets.filter((target) => target.kind === kind).map(({ name }) => name);
  return { queues: names("queue"), types: names("type") };
}

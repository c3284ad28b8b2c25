/** What follows a task that is dead since its own end could not be recorded: its attempt has told nothing of that. */
import type { Outcome } from "../../broker/broker.ts";
import type { FollowUp } from "../../broker/contract/follow-up.ts";
import type { Handlers } from "../../handlers/handler.ts";
import { handlerFor } from "../../handlers/handler-for.ts";
import { parseMessage } from "../../task/message/message.ts";
import type { AttemptPolicy } from "../attempt/policy.ts";

export function deadFollowUp(outcome: Outcome, policy: AttemptPolicy, handlers: Handlers): FollowUp | undefined {
  const read = outcome.delivery.raw === null ? null : parseMessage(outcome.delivery.raw);
  const message = read?.ok === true ? read.message : null;
  return policy.followUp("dead", message, handlerFor(handlers, outcome.type)?.options ?? {}, outcome);
}

/** Executors over HTTP: one of the fleet is told to claim nothing, to go on, to leave, or to have other slots. */
import * as v from "valibot";
import { COMMANDS, type ExecutorCommand, MOST_SLOTS } from "../../../broker/contract/orders.ts";
import { orderExecutor } from "../../../operations/changes/order.ts";
import type { RouteParts } from "../parts.ts";
import { type Route, route } from "../route.ts";

/** How long a request waits for the executor to do it, in ms. */
const WAIT_MS = 5_000;

const SUMMARIES: Readonly<Record<ExecutorCommand, string>> = {
  quiet: "Let one executor claim nothing until it is resumed or starts anew; what runs goes on",
  resume: "Let one executor claim again",
  drain: "Let one executor leave: what runs may finish within its grace",
  resize: "Give one executor other slots, until it reloads its settings or starts anew",
};

const Params = v.strictObject({ name: v.pipe(v.string(), v.minLength(1), v.maxLength(256)) });
const SLOTS = `must be a whole number from 1 to ${MOST_SLOTS}`;
const Slots = v.strictObject({
  slots: v.pipe(v.number(SLOTS), v.integer(SLOTS), v.minValue(1, SLOTS), v.maxValue(MOST_SLOTS, SLOTS)),
});

export const OrderView = v.object({
  name: v.string(),
  command: v.picklist(COMMANDS),
  slots: v.optional(v.number()),
  /** False: it has not told yet that it has done it; the order is there for a minute. */
  taken: v.boolean(),
});

export function executorRoutes({ signal }: RouteParts): Route[] {
  return COMMANDS.map((command) =>
    route({
      operationId: `${command}Executor`,
      method: "POST",
      path: `/executors/:name/${command}`,
      summary: SUMMARIES[command],
      params: Params,
      ...(command === "resize" ? { body: Slots } : {}),
      problems: [404],
      answers: { 200: { description: "whether it has done it within 5 s", schema: OrderView } },
      async handle({ context, broker, params: { name }, body }) {
        const given = v.safeParse(Slots, body);
        const slots = given.success ? given.output.slots : undefined;
        const taken = await orderExecutor(broker, name, { command, slots }, WAIT_MS, signal);
        return context.json({ name, command, ...(slots === undefined ? {} : { slots }), taken });
      },
    }),
  );
}

/** The alerts over HTTP, as this executor sees them. */
import * as v from "valibot";
import type { Alert } from "../../../executor/alerts/board.ts";
import type { RouteParts } from "../parts.ts";
import { type Route, route } from "../route.ts";

const AlertView = v.object({
  name: v.string(),
  severity: v.picklist(["warning", "critical"]),
  /** Unix ms on the broker's clock. */
  since: v.number(),
  value: v.number(),
  threshold: v.number(),
  labels: v.record(v.string(), v.string()),
  summary: v.string(),
});

export function alertRoutes({ alerts }: RouteParts): Route[] {
  return [
    route({
      operationId: "listAlerts",
      method: "GET",
      path: "/alerts",
      summary: "The alerts that this executor sees now, the worst first; of the queues that the token may see",
      answers: { 200: { description: "none: all is well", schema: v.object({ alerts: v.array(AlertView) }) } },
      handle({ context, caller: { queues } }) {
        const seen = (alerts?.firing ?? []).filter(({ labels: { queue } }) => {
          return queues === null || (queue !== undefined && queues.has(queue));
        });
        return context.json({ alerts: seen.map(alertView) });
      },
    }),
  ];
}

function alertView({ name, severity, since, value, threshold, labels, summary }: Alert) {
  return { name, severity, since, value, threshold, labels, summary };
}

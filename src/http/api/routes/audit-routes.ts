/** The record of changes over HTTP, for admins. */
import * as v from "valibot";
import { AuditView, auditPage, DEFAULT_AUDIT_PAGE, MOST_AUDIT_PAGE } from "../../../operations/audit/audit.ts";
import { type Route, route } from "../route.ts";

const LIMIT = `must be 1 to ${MOST_AUDIT_PAGE}`;
const MS = "must be Unix ms";

const AuditQuerySchema = v.strictObject({
  since: v.optional(v.pipe(v.string(), v.regex(/^\d{1,15}$/, MS), v.transform(Number), v.number())),
  who: v.optional(v.pipe(v.string(), v.maxLength(200, "must be at most 200 characters"))),
  what: v.optional(v.pipe(v.string(), v.maxLength(100, "must be at most 100 characters"))),
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,4}$/, LIMIT),
      v.transform(Number),
      v.pipe(v.number(), v.minValue(1, LIMIT), v.maxValue(MOST_AUDIT_PAGE, LIMIT)),
    ),
    String(DEFAULT_AUDIT_PAGE),
  ),
  cursor: v.optional(v.pipe(v.string(), v.regex(/^\d{1,20}(?:-\d{1,20})?$/, "is not one that a list has given"))),
});

export function auditRoutes(): Route[] {
  return [
    route({
      operationId: "listChanges",
      method: "GET",
      path: "/audit",
      summary: "The record of changes, the newest first: by HTTP, the page and the command line",
      query: AuditQuerySchema,
      answers: {
        200: {
          description: "a page; follow the cursor until it is null",
          schema: v.object({ entries: v.array(AuditView), cursor: v.nullable(v.string()) }),
        },
      },
      handle: async ({ context, broker, query }) => context.json(await auditPage(broker, query)),
    }),
  ];
}

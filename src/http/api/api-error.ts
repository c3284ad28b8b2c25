/**
 * What an API call answers when it cannot be done: `{"error": {"code", "message"}}` with the status that fits. Codes
 * are for programs and stay; messages are for people and say what was expected.
 */
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { BrokerRefusedError, BrokerUnavailableError } from "../../broker/broker.ts";
import { isConflict } from "../../broker/drivers.ts";
import { TooManyListsError } from "../../broker/list-places.ts";
import { UnknownExecutorError } from "../../operations/changes/order.ts";
import { QueueForbiddenError } from "../../operations/limits/limited-broker.ts";
import { CursorError } from "../../operations/pages.ts";
import { UnknownScheduleError } from "../../operations/schedules/schedule-control.ts";
import { UnknownTaskError } from "../../operations/watch/watch.ts";
import { InvalidTaskError, PayloadRefusedError } from "../../task/message/new-task.ts";
import { CronError } from "../../task/times/cron.ts";

const logger = getLogger(["taskexe", "http"]);

/** How long a client had better wait before it asks a broker again that is away, in seconds. */
const RETRY_AFTER_S = 1;

/** The code of an answer 422. */
export const PAYLOAD_REFUSED_CODE = "payload_refused";

/** Thrown by a handler, answered as it says. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: ContentfulStatusCode,
    code: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** The answer to a call that failed. What nobody expected goes to the log, and not to the client. */
export function answerError(error: unknown, context: Context): Response {
  const { status, code, message, headers } = apiErrorOf(error, context);
  return context.json({ error: { code, message } }, status, { ...headers });
}

function apiErrorOf(error: unknown, context: Context): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof PayloadRefusedError) return new ApiError(422, PAYLOAD_REFUSED_CODE, error.message);
  if (error instanceof InvalidTaskError || error instanceof CronError)
    return new ApiError(400, "invalid", error.message);
  if (error instanceof QueueForbiddenError) return new ApiError(403, "forbidden", error.message);
  if (error instanceof CursorError) return new ApiError(400, "invalid", `query: cursor: ${error.message}`);
  if (
    error instanceof UnknownTaskError ||
    error instanceof UnknownScheduleError ||
    error instanceof UnknownExecutorError
  )
    return new ApiError(404, "not_found", error.message);
  if (error instanceof TooManyListsError) {
    return new ApiError(429, "too_many_lists", error.message, { "Retry-After": String(RETRY_AFTER_S) });
  }
  if (error instanceof BrokerRefusedError) {
    return new ApiError(503, "broker_refusing", error.message, { "Retry-After": String(RETRY_AFTER_S) });
  }
  if (error instanceof BrokerUnavailableError) {
    const message = "the broker does not answer just now; what was asked may have happened or not, and can be repeated";
    return new ApiError(503, "broker_unavailable", message, { "Retry-After": String(RETRY_AFTER_S) });
  }
  if (error instanceof Error && isConflict(error)) {
    return new ApiError(409, "conflict", `the broker has something else there: ${error.message}`);
  }
  if (error instanceof HTTPException) return new ApiError(400, "invalid", "the request could not be read");
  logger.error("{method} {path} failed: {error}", { method: context.req.method, path: context.req.path, error });
  return new ApiError(500, "internal", "internal error; the log of this executor has the details");
}

/** No record of a task is kept. */
export function unknownTask(id: string): ApiError {
  return new ApiError(404, "not_found", `no record of a task ${JSON.stringify(id)} is kept`);
}

/** What was asked for does not go with how things are. */
export function conflict(message: string): ApiError {
  return new ApiError(409, "conflict", message);
}

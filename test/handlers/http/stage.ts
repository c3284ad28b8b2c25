/** Handlers of the kind http against an endpoint of the test, and what an attempt on them gives. */
import { openRoot } from "../../../src/concurrency/index.ts";
import type { HandlerAttempt, HandlerEnding } from "../../../src/handlers/handler.ts";
import { type Endpoint as Configured, HttpHandler } from "../../../src/handlers/http/http-handler.ts";
import { readAllowedHost } from "../../../src/runtime/net/allowed-host.ts";
import { handlerAttempt } from "../../stage/handler-attempt.ts";

export interface Given extends Partial<Omit<Configured, "url" | "allow">> {
  readonly allow?: readonly string[];
}

export function handlerOf(url: string, { allow = [], ...given }: Given = {}): HttpHandler {
  const hosts = allow.map(readAllowedHost).filter((host) => host !== null);
  const rest = { type: "x", keys: [], headers: {}, options: {}, concurrency: 4, ...given };
  return new HttpHandler({ ...rest, url: new URL(url), allow: hosts });
}

/** One attempt from its beginning to its end. */
export async function runOn(
  url: string,
  given: Given = {},
  attempt: Partial<HandlerAttempt> = {},
): Promise<HandlerEnding> {
  const handler = handlerOf(url, given);
  try {
    return await handler.start(handlerAttempt(attempt), openRoot());
  } finally {
    handler.close();
  }
}

/** How it failed, in short: the message, and what follows. */
export function failureOf(ending: HandlerEnding): string {
  if (ending.kind !== "failed") return ending.kind;
  const { error, retry, later, retryInMs } = ending;
  const next = later ? `later in ${retryInMs} ms` : retry ? "retry" : "no retry";
  return `${next}: ${error.message.replaceAll(/127\.0\.0\.1:\d+/g, "HOST")}`;
}

/**
 * A handler that is somebody's HTTP endpoint, `[http.TYPE]`: each attempt POSTs the payload there, with the task's id,
 * the attempt, an idempotency key, a trace and a signature in headers; the answer's status says how it ended. A cancel
 * and a timeout close the connection at once. Nothing that the other side does can hold the executor up or fill its
 * memory: answers are read up to a bound, and no longer than the attempt lasts.
 */
import { type CancelScope, moveOnAfter } from "../../concurrency/index.ts";
import type { AllowedHost } from "../../runtime/net/allowed-host.ts";
import { MAX_RESULT_LENGTH } from "../../task/limits.ts";
import { toErrorRecord } from "../error-record.ts";
import type { Handler, HandlerAttempt, HandlerEnding, HandlerOptions } from "../handler.ts";
import { type Answer, endingOf, failedFor } from "./answers.ts";
import { AnswerBody } from "./body.ts";
import { Destinations, type Lookup, RefusedDestinationError } from "./destination.ts";
import { Connections, type Outgoing } from "./send.ts";
import { signatureHeaders } from "./sign.ts";
import { traceHeaders } from "./trace-context.ts";

/** An endpoint, as the configuration has it. */
export interface Endpoint {
  readonly type: string;
  readonly url: URL;
  /** The secrets that requests are signed with; empty: they are not signed. */
  readonly keys: readonly Uint8Array[];
  readonly allow: readonly AllowedHost[];
  /** Sent to the host of `url` alone, as they may hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly options: HandlerOptions;
  /** How many attempts of the executor run at once: so many connections to a host there are at most. */
  readonly concurrency: number;
  /** How names are looked up; by default as the system does it. */
  readonly lookup?: Lookup;
}

/** So often a request is sent on. */
const MOST_REDIRECTS = 5;
/** Of an answer that is no result, in bytes; and how long its body may take. */
const MOST_OF_ERROR = 8 * 1024;
const ERROR_BODY_MS = 1_000;
/** Bytes of a result: a character may take three. */
const MOST_OF_RESULT = 3 * MAX_RESULT_LENGTH;

export class HttpHandler implements Handler {
  readonly type: string;
  readonly options: HandlerOptions;
  readonly checkPayload = null;
  readonly #endpoint: Endpoint;
  readonly #destinations: Destinations;
  readonly #connections: Connections;

  constructor(endpoint: Endpoint) {
    this.type = endpoint.type;
    this.options = endpoint.options;
    this.#endpoint = endpoint;
    this.#destinations = new Destinations(endpoint.url, endpoint.allow, endpoint.lookup);
    this.#connections = new Connections(this.#destinations, endpoint.concurrency);
  }

  /** Closes the connections that are kept. */
  close(): void {
    this.#connections.close();
  }

  delayAfter(): null {
    return null;
  }

  async start(attempt: HandlerAttempt, scope: CancelScope): Promise<HandlerEnding> {
    const body = Buffer.from(attempt.payloadText);
    attempt.begun();
    try {
      return await this.#follow(headersOf(attempt, body, this.#endpoint.keys), body, scope);
    } catch (error) {
      if (scope.signal.aborted) throw scope.signal.reason;
      const { message } = toErrorRecord(error);
      const isRefused = error instanceof RefusedDestinationError;
      return failedFor(`POST ${this.#endpoint.url.origin}: ${this.#hide(message)}`, { retry: !isRefused });
    }
  }

  /** Sends it, and on to where the answers lead. */
  async #follow(
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    scope: CancelScope,
  ): Promise<HandlerEnding> {
    let url = this.#endpoint.url;
    let outgoing: Outgoing = { method: "POST", headers, body };
    for (let redirects = 0; ; redirects++) {
      const own = this.#destinations.isOwn(url) ? this.#endpoint.headers : {};
      const sent = { ...outgoing, headers: { ...own, ...outgoing.headers } };
      const head = await this.#connections.send(url, sent, scope.signal);
      const { statusCode: status = 0, statusMessage: statusText = "", headers: answered } = head;
      const location = [301, 302, 303, 307, 308].includes(status) ? answered.location : undefined;
      if (location === undefined) {
        const isResult = status >= 200 && status <= 299;
        const read = new AnswerBody(head, isResult ? MOST_OF_RESULT : MOST_OF_ERROR);
        if (isResult) await read.read(scope.signal);
        else await readSome(read, scope);
        const answer: Answer = { status, statusText, headers: answered, bytes: read.bytes, isCut: read.isCut };
        return endingOf(answer, `${outgoing.method} ${url.origin}`, (text) => this.#hide(text));
      }
      head.destroy();
      if (redirects === MOST_REDIRECTS) throw new RefusedDestinationError(`more than ${MOST_REDIRECTS} redirects`);
      url = this.#redirected(location, url, status);
      // "See other" asks for what became of it. All others ask for the same once more, somewhere else.
      if (status === 303) outgoing = { method: "GET", headers: withoutBody(headers), body: null };
    }
  }

  #redirected(location: string, from: URL, status: number): URL {
    try {
      return this.#destinations.redirected(location, from);
    } catch (error) {
      if (!(error instanceof RefusedDestinationError)) throw error;
      const to = URL.canParse(location, from.href) ? new URL(location, from.href).origin : "what is no URL";
      throw new RefusedDestinationError(
        `it answered ${status}, a redirect to ${to}, which is refused: ${error.message}`,
      );
    }
  }

  /** The text without the values of the configured headers: the other side may say them again. */
  #hide(text: string): string {
    let shown = text;
    for (const value of Object.values(this.#endpoint.headers)) {
      if (value.length >= 4) shown = shown.replaceAll(value, "***");
    }
    return shown;
  }
}

/** What an error says stands at its beginning; whoever takes too long over it has said enough. */
async function readSome(body: AnswerBody, scope: CancelScope): Promise<void> {
  try {
    await moveOnAfter(scope, ERROR_BODY_MS, (inner) => body.read(inner.signal));
  } catch (error) {
    if (scope.signal.aborted) throw error;
    // The status has said how it ended, though its body broke off.
  }
}

function headersOf(attempt: HandlerAttempt, body: Uint8Array, keys: readonly Uint8Array[]): Record<string, string> {
  const { id, type, attempt: number, task, trace } = attempt;
  const key = headerText(id);
  return {
    Accept: "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "taskexe",
    "Idempotency-Key": key,
    "Taskexe-Task-Id": key,
    "Taskexe-Task-Type": headerText(type),
    "Taskexe-Queue": headerText(task.queue),
    "Taskexe-Attempt": String(number),
    ...traceHeaders(id, trace),
    ...signatureHeaders(key, Date.now(), body, keys),
  };
}

function withoutBody(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { "Content-Type": _type, "Webhook-Signature": _signature, ...rest } = headers;
  return rest;
}

/** As it is, or percent-encoded where it is no plain text or holds a `%`. */
function headerText(text: string): string {
  return /^[\x21-\x24\x26-\x7e]+$/.test(text) ? text : encodeURIComponent(text);
}

/**
 * Sends one request and gives the head of its answer. node:http does this alike on Bun, compiled too, on Node.js and on
 * Deno, with a hook for the lookup of names, no proxy of the environment, no decompression and bounded headers; `fetch`
 * has no such hook, though it is some times as fast on Bun.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { bare, type Destinations } from "./destination.ts";

/** What is sent. */
export interface Outgoing {
  readonly method: "POST" | "GET";
  readonly headers: Readonly<Record<string, string>>;
  /** Null: none. */
  readonly body: Uint8Array | null;
}

/** So many interim answers (1xx) may come before the one that counts. */
const MOST_INTERIM = 100;
/** So many connections are kept open while nothing is asked of them. */
const MOST_IDLE = 16;

/** Connections of one endpoint, kept open between requests. */
export class Connections {
  readonly #destinations: Destinations;
  readonly #agents: { readonly "http:": Agent; readonly "https:": TlsAgent };

  /**
   * @param most - so many are open at most, to each host.
   * @param idleMs - one that was not used for so long is closed.
   */
  constructor(destinations: Destinations, most: number, idleMs = 15_000) {
    this.#destinations = destinations;
    const options = { keepAlive: true, maxSockets: most, maxFreeSockets: MOST_IDLE, timeout: idleMs };
    this.#agents = { "http:": new Agent(options), "https:": new TlsAgent(options) };
  }

  /** Closes those that are not used; the others close when they have not been used for a while. */
  close(): void {
    for (const { freeSockets } of Object.values(this.#agents)) {
      for (const socket of Object.values(freeSockets).flat()) socket?.destroy();
    }
  }

  /**
   * Sends it; the head of the answer ends the wait.
   *
   * @param signal - an abort closes the connection at once, also while the answer's body is read.
   * @throws (rejects) what the network says, RefusedDestinationError, or an AbortError.
   */
  async send(url: URL, outgoing: Outgoing, signal: AbortSignal): Promise<IncomingMessage> {
    const first = await this.#attempt(url, outgoing, signal, this.#agents[url.protocol as "http:"]);
    if (first.answer !== null) return first.answer;
    // The other side may close a connection in the moment in which it is used again: nothing of the request was done.
    if (!first.isStale || signal.aborted) throw first.error;
    const second = await this.#attempt(url, outgoing, signal, false);
    if (second.answer !== null) return second.answer;
    throw second.error;
  }

  #attempt(
    url: URL,
    { method, headers, body }: Outgoing,
    signal: AbortSignal,
    agent: Agent | false,
  ): Promise<{ answer: IncomingMessage } | { answer: null; error: Error; isStale: boolean }> {
    return new Promise((resolve) => {
      const sending = (url.protocol === "https:" ? tlsRequest : request)({
        method,
        host: bare(url.hostname),
        port: url.port === "" ? undefined : Number(url.port),
        path: `${url.pathname}${url.search}`,
        headers: body === null ? headers : { ...headers, "Content-Length": String(body.byteLength) },
        agent,
        signal,
        lookup: this.#destinations.lookupFor(url),
      });
      let interim = 0;
      sending.on("information", () => {
        if (++interim > MOST_INTERIM) sending.destroy(new Error(`more than ${MOST_INTERIM} interim answers came`));
      });
      sending.on("upgrade", (_answer, socket) => {
        socket.destroy();
        resolve({ answer: null, error: new Error("it wants to speak another protocol"), isStale: false });
      });
      sending.on("response", (answer) => {
        // What goes wrong from now on is told to whoever reads the body; somebody must listen until then.
        answer.on("error", () => {});
        resolve({ answer });
      });
      sending.on("error", (error: Error & { readonly code?: string }) => {
        const isStale = sending.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        resolve({ answer: null, error, isStale });
      });
      if (body === null) sending.end();
      else sending.end(body);
    });
  }
}

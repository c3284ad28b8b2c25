/**
 * What the tests of the API stand on: a queue in a file, an executor that the test plays, and the application over it.
 */
import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import type { StatusSource } from "../../src/executor/status/status.ts";
import type { ApiParts } from "../../src/http/api/parts.ts";
import { createApp } from "../../src/http/app.ts";
import type { PageMode } from "../../src/http/page/page.ts";
import { fakeSource } from "./fake-source.ts";
import { Stage } from "./stage.ts";

const DAY_MS = 24 * 3_600_000;

export const TOKEN = "0123456789abcdef0123456789abcdef";

export const JSON_TYPE = { "content-type": "application/json" };

/** What a request may differ in. */
export interface Ask {
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  /** The client's address; null: not known. */
  readonly peer?: string | null;
  /** It speaks HTTP/1.0. */
  readonly isOld?: boolean;
}

export interface Reply {
  readonly status: number;
  /** Looked into at will. */
  readonly body: ReturnType<typeof JSON.parse>;
  readonly headers: Headers;
}

export class ApiStage extends Stage {
  readonly root = openRoot();
  #broker: Broker | null = null;

  static async open(): Promise<ApiStage> {
    const stage = new ApiStage();
    const queues = ["common", "other"];
    const broker = await createBroker(`sqlite:${stage.path("queue.db")}`, { executor: "x", queues, leaseMs: 30_000 });
    stage.#broker = broker;
    stage.atEnd(async () => {
      stage.root.cancel("the test is over");
      await broker.close();
    });
    await broker.open(openRoot().signal);
    return stage;
  }

  get broker(): Broker {
    assert.ok(this.#broker, "it was not opened");
    return this.#broker;
  }

  app(
    options: Pick<ApiParts, "handlerOf" | "tokens" | "events" | "history"> & {
      readonly token?: string;
      /** What is listened on: an address, or a name with the address it stands for. */
      readonly hostname?: string;
      readonly address?: string;
      readonly broker?: Broker;
      readonly page?: PageMode;
      readonly openStatus?: boolean;
      readonly source?: StatusSource;
    } = {},
  ) {
    const { token = null, hostname = "127.0.0.1", address = hostname, broker = this.broker } = options;
    const { handlerOf, tokens, events, history, page = "on", openStatus = true, source = fakeSource() } = options;
    const known = {
      ...(handlerOf === undefined ? {} : { handlerOf }),
      ...(tokens === undefined ? {} : { tokens }),
      ...(events === undefined ? {} : { events }),
      ...(history === undefined ? {} : { history }),
    };
    const api: ApiParts = { broker, token, retentionMs: DAY_MS, signal: this.root.signal, ...known };
    const app = createApp(source, { listener: { hostname, address }, api, page, openStatus });
    return async (method: string, path: string, ask: Ask = {}): Promise<Reply> => {
      const { body, peer = "127.0.0.1", isOld = false, headers } = ask;
      const sent = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
      const all = { ...(method === "POST" || method === "PUT" ? JSON_TYPE : {}), ...headers };
      const host = hostname === "127.0.0.1" ? "127.0.0.1:8080" : hostname;
      const url = `http://${host}${path.startsWith("/") ? path : `/api/v1/${path}`}`;
      const response = await app.request(url, { method, headers: all, ...sent }, peer === null ? {} : { peer, isOld });
      const text = await response.text();
      const isJson = response.headers.get("content-type")?.startsWith("application/json");
      return {
        status: response.status,
        body: isJson && text !== "" ? JSON.parse(text) : text,
        headers: response.headers,
      };
    };
  }
}

/** Checks that an answer is an error of this kind, in the shape of all errors. */
export function refused(reply: Reply, status: number, code: string, message: RegExp): void {
  assert.equal(reply.status, status, JSON.stringify(reply.body));
  assert.deepEqual(Object.keys(reply.body), ["error"]);
  assert.deepEqual(Object.keys(reply.body.error), ["code", "message"]);
  assert.equal(reply.body.error.code, code);
  assert.match(reply.body.error.message, message);
}

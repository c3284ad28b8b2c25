/** A collector of spans over real HTTP, as an OpenTelemetry Collector takes them: OTLP as JSON. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { until } from "./until.ts";

export interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it has none. */
  readonly parentSpanId: string;
  /** 3: client, 4: producer, 5: consumer. */
  readonly kind: number;
  /** 0: unset, 2: error. */
  readonly status: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** `TRACE-SPAN` each. */
  readonly links: readonly string[];
  readonly resource: Readonly<Record<string, unknown>>;
}

interface Pair {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Body {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Pair[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

interface WireSpan extends Omit<Span, "parentSpanId" | "status" | "attributes" | "links" | "resource"> {
  readonly parentSpanId?: string;
  readonly status: { readonly code: number };
  readonly attributes: readonly Pair[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

export class Collector {
  readonly spans: Span[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  /** What it answers; null: nothing, ever. */
  status: number | null = 200;
  readonly #server = createServer((asked, answer) => {
    let text = "";
    asked.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    asked.on("end", () => {
      this.headers.push(asked.headers);
      if (this.status === null) return;
      if (this.status === 200 && asked.url === "/v1/traces") this.#take(JSON.parse(text));
      answer.writeHead(this.status, { "content-type": "application/json" }).end("{}");
    });
  });

  static async listening(): Promise<Collector> {
    const collector = new Collector();
    collector.#server.listen(0, "127.0.0.1");
    await once(collector.#server, "listening");
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What a process is started with that is to tell it every span, soon. */
  get environment(): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: this.url,
      OTEL_TRACES_SAMPLER: "parentbased_always_on",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Waits for the span of that task; the attempt is 0 for that of its sending. */
  span(id: string, attempt = 0): Promise<Span> {
    const wanted = attempt === 0 ? undefined : attempt;
    return until(`the span of ${id}, ${attempt}, has come`, 60_000, () =>
      this.spans.find(
        ({ attributes }) => attributes["messaging.message.id"] === id && attributes["taskexe.task.attempt"] === wanted,
      ),
    );
  }

  #take({ resourceSpans }: Body): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          this.spans.push({
            ...span,
            parentSpanId: span.parentSpanId ?? "",
            status: span.status.code,
            attributes: textsOf(span.attributes),
            links: span.links.map(({ traceId, spanId }) => `${traceId}-${spanId}`),
            resource: textsOf(resource.attributes),
          });
        }
      }
    }
  }
}

function textsOf(pairs: readonly Pair[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]));
}

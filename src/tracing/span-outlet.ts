/**
 * Spans on their way to the collector: gathered, sent in batches, one at a time. So many wait at the most, those on
 * their way included; what is beyond, and what the collector does not take, is dropped and counted. Nothing waits for
 * it.
 */
import type { BatchSpanProcessor, ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { SpanCounts } from "./spans.ts";

/** So many wait. */
export const MOST_SPANS = 2_048;
const BATCH = 512;

type Batches = typeof BatchSpanProcessor;

/** @param reason - of the failure; null: it goes well again. */
export type OnTrouble = (reason: string | null) => void;

export class SpanOutlet implements SpanProcessor {
  readonly #batches: SpanProcessor;
  readonly #counts = { exported: 0, dropped: 0 };
  readonly #onTrouble: OnTrouble;
  #waiting = 0;
  #isInTrouble = false;

  constructor(exporter: SpanExporter, Batching: Batches, onTrouble: OnTrouble) {
    this.#onTrouble = onTrouble;
    const counted: SpanExporter = {
      export: (spans, done) =>
        exporter.export(spans, (result) => {
          this.#answered(spans.length, result.code === 0, result.error?.message);
          done(result);
        }),
      shutdown: () => exporter.shutdown(),
    };
    this.#batches = new Batching(counted, { maxQueueSize: MOST_SPANS, maxExportBatchSize: BATCH });
  }

  get counts(): SpanCounts {
    return { ...this.#counts };
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= MOST_SPANS) {
      this.#counts.dropped++;
      return;
    }
    this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #answered(count: number, isTaken: boolean, reason = "it does not say why"): void {
    this.#waiting -= count;
    this.#counts[isTaken ? "exported" : "dropped"] += count;
    if (isTaken !== this.#isInTrouble) return;
    this.#isInTrouble = !isTaken;
    this.#onTrouble(isTaken ? null : reason);
  }
}

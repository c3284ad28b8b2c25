/** Which traces are told: as the environment says, and an attempt with a trace of its own as the trace it links to. */
import { type Context, type Link, type SpanContext, TraceFlags, trace as traces } from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import type { SamplerChoice } from "./environment.ts";

export function samplerOf({ isParentBased, root, ratio }: SamplerChoice): Sampler {
  const own = rootSampler(root, ratio);
  return isParentBased ? new LinkBasedSampler(new ParentBasedSampler({ root: own })) : own;
}

function rootSampler(root: SamplerChoice["root"], ratio: number): Sampler {
  if (root === "on") return new AlwaysOnSampler();
  return root === "off" ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio);
}

/** What was sampled where it was sent is sampled where it runs: a link without its other end tells nothing. */
class LinkBasedSampler implements Sampler {
  readonly #inner: Sampler;

  constructor(inner: Sampler) {
    this.#inner = inner;
  }

  shouldSample(
    context: Context,
    ...[traceId, name, kind, attributes, links]: Rest
  ): ReturnType<Sampler["shouldSample"]> {
    const linked = traces.getSpanContext(context) === undefined ? followed(links) : undefined;
    const asked = linked === undefined ? context : traces.setSpanContext(context, linked);
    const { decision, attributes: added } = this.#inner.shouldSample(asked, traceId, name, kind, attributes, links);
    // The state of the linked trace is not that of this one.
    return added === undefined ? { decision } : { decision, attributes: added };
  }

  toString(): string {
    return `LinkBased(${this.#inner.toString()})`;
  }
}

type Rest = Parameters<Sampler["shouldSample"]> extends [unknown, ...infer R] ? R : never;

function followed(links: readonly Link[]): SpanContext | undefined {
  return (links.find(({ context }) => (context.traceFlags & TraceFlags.SAMPLED) !== 0) ?? links[0])?.context;
}

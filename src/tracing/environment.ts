/** What the variables of OpenTelemetry say, as far as they count here. */
import { messageOf } from "../concurrency/unknown-values.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables with secrets: they reach no log, and nothing that is started. */
export const SECRET_VARIABLES = /^OTEL_EXPORTER_OTLP_(?:[A-Z]+_)?HEADERS$/;

/** The part of traces that is sampled where nobody says. */
export const DEFAULT_RATIO = 0.01;

export type SamplerKind = "on" | "off" | "ratio";

export interface SamplerChoice {
  /** Whether a trace that has begun elsewhere is sampled as it was there. */
  readonly isParentBased: boolean;
  readonly root: SamplerKind;
  /** Of the traces that begin here, from 0 to 1. */
  readonly ratio: number;
}

const SAMPLERS: Readonly<Record<string, readonly [isParentBased: boolean, root: SamplerKind]>> = {
  always_on: [false, "on"],
  always_off: [false, "off"],
  traceidratio: [false, "ratio"],
  parentbased_always_on: [true, "on"],
  parentbased_always_off: [true, "off"],
  parentbased_traceidratio: [true, "ratio"],
};

/** Whether spans are asked for. */
export function isAsked(environment: Environment): boolean {
  if (environment.OTEL_SDK_DISABLED?.toLowerCase() === "true" || environment.OTEL_TRACES_EXPORTER === "none") {
    return false;
  }
  return Boolean(environment.OTEL_EXPORTER_OTLP_ENDPOINT);
}

/**
 * @param warn - told of what counts for nothing, and what counts instead.
 */
export function samplerIn(environment: Environment, warn: (problem: string) => void): SamplerChoice {
  const { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument } = environment;
  const known = name ? SAMPLERS[name] : undefined;
  if (name && known === undefined) {
    warn(`OTEL_TRACES_SAMPLER is ${Object.keys(SAMPLERS).join(", ")}; got ${JSON.stringify(name)}: a hundredth`);
  }
  const [isParentBased, root] = known ?? [true, "ratio"];
  return { isParentBased, root, ratio: root === "ratio" ? ratioIn(argument, warn) : 1 };
}

function ratioIn(argument: string | undefined, warn: (problem: string) => void): number {
  if (!argument?.trim()) return DEFAULT_RATIO;
  const ratio = Number(argument);
  if (ratio >= 0 && ratio <= 1) return ratio;
  warn(`OTEL_TRACES_SAMPLER_ARG is a number from 0 to 1; got ${JSON.stringify(argument)}: ${DEFAULT_RATIO}`);
  return DEFAULT_RATIO;
}

/** The headers that go to the collector. */
export function headersIn(environment: Environment): Record<string, string> {
  const { OTEL_EXPORTER_OTLP_HEADERS: all, OTEL_EXPORTER_OTLP_TRACES_HEADERS: own } = environment;
  return { ...pairsIn(all, "a variable with headers"), ...pairsIn(own, "a variable with headers") };
}

/** Who this is. */
export function resourceIn(environment: Environment, clientId: string): Record<string, string> {
  const said = pairsIn(environment.OTEL_RESOURCE_ATTRIBUTES, "OTEL_RESOURCE_ATTRIBUTES");
  const service = environment.OTEL_SERVICE_NAME || said["service.name"] || "taskexe";
  return { "service.instance.id": clientId, ...said, "service.name": service };
}

/** Where spans go, without what may be secret in it. */
export function shownEndpoint(environment: Environment): string {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_EXPORTER_OTLP_ENDPOINT: all = "" } = environment;
  const endpoint = own || all;
  if (!URL.canParse(endpoint)) throw new Error("OTEL_EXPORTER_OTLP_ENDPOINT is no URL, as http://localhost:4318");
  const { protocol, host, pathname } = new URL(endpoint);
  if (protocol !== "http:" && protocol !== "https:") {
    throw new Error(`OTEL_EXPORTER_OTLP_ENDPOINT is to be http or https, got ${protocol}`);
  }
  return `${protocol}//${host}${pathname}`;
}

/** `key=value,key=value`, the values percent-encoded. @throws Error that does not say the values. */
function pairsIn(text: string | undefined, what: string): Record<string, string> {
  const pairs = (text ?? "").split(",").filter((pair) => pair.trim() !== "");
  return Object.fromEntries(
    pairs.map((pair) => {
      const [key = "", ...value] = pair.split("=");
      try {
        return [decodeURIComponent(key.trim()), decodeURIComponent(value.join("=").trim())];
      } catch (error) {
        throw new Error(`${what} cannot be read: ${messageOf(error)}`);
      }
    }),
  );
}

/**
 * From what somebody asks for to tasks that a broker takes: the one way for the client, the command line, HTTP and
 * schedules. What the definition of the type says holds where the asker says nothing, times go by the broker's clock,
 * and what could not be run is refused here. The payload is written once, and parsed only where its schema, or a unique
 * key made of it, needs it. Sending is the asker's, since each bears a broker that is away in its own way.
 */
import type { Broker } from "../broker/broker.ts";
import {
  newId,
  PayloadRefusedError,
  type PreparedTask,
  payloadText,
  prepareWritten,
  requestOf,
  type Surroundings,
} from "../task/message/new-task.ts";
import { type EnqueueDefaults, withDefaults } from "../task/options/enqueue-defaults.ts";
import { DEFAULT_QUEUE, type EnqueueOptions } from "../task/options/enqueue-options.ts";
import type { JsonText } from "../task/text/json-text.ts";
import type { TraceContext } from "../task/trace/trace-context.ts";
import { tracing } from "../tracing/tracing.ts";

/** What is known of a type where a task of it is made. */
export interface KnownType {
  /** What its definition says of its tasks; how long records are kept in ms. */
  readonly options: EnqueueDefaults & { readonly retentionMs?: number | undefined };
  /**
   * Why a payload is refused; null: it is taken. A promise only where the check takes its time. Absent: any is taken.
   */
  readonly refuse?: ((payload: unknown) => string | null | Promise<string | null>) | undefined;
}

/** What somebody asks for. */
export interface NewTask {
  readonly type: string;
  /** A value, or a JsonText that is kept as it is. */
  readonly payload?: unknown;
  /** Its deadline may be counted from now. */
  readonly options?: EnqueueOptions & { readonly deadlineMs?: number | undefined };
}

/** What holds for every task of an asker. */
export interface Preparation {
  /** How long records are kept where nobody says, in ms. */
  readonly retentionMs: number;
  /** How many priorities the fleet has; default 2. */
  readonly priorities?: number | undefined;
  /** The id of the task whose handler asks. */
  readonly parent?: string | undefined;
  /** The id of the ended task that that one follows. */
  readonly follows?: string | undefined;
  /** The trace that the asker is in; null, or absent: none. */
  readonly trace?: TraceContext | null | undefined;
}

/** A task that can be sent once its payload is checked. */
export interface ReadyTask {
  readonly task: PreparedTask;
  /**
   * Checks the payload, as the executor will see it, against the schema of the type; a promise only where the schema
   * takes its time.
   *
   * @throws PayloadRefusedError, at once or as a rejection, with each place that is refused; what the schema throws.
   */
  check(): Promise<void> | undefined;
}

/**
 * Prepares one task.
 *
 * @param known - what is known of its type; absent: nothing, and its payload is any.
 * @throws InvalidTaskError where the options are wrong, or the task could not be run.
 */
export function prepare(
  broker: Pick<Broker, "now">,
  { retentionMs, priorities, parent, follows, trace }: Preparation,
  { type, payload, options = NO_OPTIONS }: NewTask,
  known?: KnownType,
): ReadyTask {
  const now = broker.now();
  const json = payloadText(payload);
  const kept = known?.options.retentionMs ?? retentionMs;
  const surroundings = { now, retentionMs: kept, priorities, parent, follows, trace };
  const task = prepareTraced(type, json, allOptions(options, known, now), surroundings);
  return { task, check: () => checkPayload(json, known) };
}

/**
 * Prepares a task, with the span of its sending where spans are told: whoever sends it says how that went, by
 * `sending`.
 */
export function prepareTraced(
  type: string,
  json: JsonText,
  options: EnqueueOptions,
  surroundings: Surroundings,
): PreparedTask {
  const told = tracing();
  if (told === null) return prepareWritten(type, json, options, surroundings);
  const { id = newId(), queue = DEFAULT_QUEUE } = options;
  const sending = told.send({ id, type, queue }, surroundings.trace);
  const task = prepareWritten(type, json, { ...options, id }, { ...surroundings, trace: sending.trace });
  return { ...task, sending };
}

const NO_OPTIONS: EnqueueOptions = Object.freeze({});

const NO_DEFAULTS: EnqueueDefaults = Object.freeze({});

/**
 * What was said, then what the definition says. Read once: what is checked is what is used, whatever the asker does
 * with its object.
 */
function allOptions(given: NonNullable<NewTask["options"]>, known: KnownType | undefined, now: number): EnqueueOptions {
  const options = { ...given };
  if (known === undefined && !("deadlineMs" in options)) return options;
  const { deadlineMs, ...others } = options;
  const defaults: EnqueueDefaults = known?.options ?? NO_DEFAULTS;
  return withDefaults(others, deadlineMs === undefined ? defaults : { ...defaults, deadlineMs }, now);
}

/** The requests for a broker, with the delays that are left now. */
export function requestsOf(
  tasks: readonly PreparedTask[],
  broker: Pick<Broker, "now">,
): ReturnType<typeof requestOf>[] {
  const now = broker.now();
  return tasks.map((task) => requestOf(task, now));
}

/** Checks a payload alone, as of a schedule. See {@link ReadyTask.check}. */
export function checkPayload(json: JsonText, known: KnownType | undefined): Promise<void> | undefined {
  if (known?.refuse === undefined) return undefined;
  const reason = known.refuse(json.value());
  if (reason instanceof Promise) return reason.then(refused);
  refused(reason);
  return undefined;
}

function refused(reason: string | null): void {
  if (reason !== null) throw new PayloadRefusedError(reason);
}

/**
 * The client of handlers that run apart: what it is asked goes through their executor, whose broker they are not told.
 * It enqueues, reads records, cancels by ids and takes locks; all else needs the broker's address, and says so.
 */
import * as v from "valibot";
import { type Broker, BrokerUnavailableError, type EnqueueReceipt } from "../broker/broker.ts";
import { openExecutorLine, type Told } from "../runtime/process/executor-line.ts";
import { LEAST_LOCK_TTL_MS } from "../task/lock/lock.ts";
import { childText } from "../task/message/child-text.ts";
import { InvalidTaskError, newId, PayloadRefusedError } from "../task/message/new-task.ts";
import type { EnqueueOptions } from "../task/options/enqueue-options.ts";
import type { TaskRecord } from "../task/record/record.ts";
import { TASK_STATES } from "../task/state.ts";
import { enqueueBatches } from "./batches.ts";
import { checkOptionNames, checkTask } from "./check-call.ts";
import { Client, type ClientParts, type Item, type Many, type MixedItem } from "./client.ts";
import { ClientClosedError, ClientOverloadedError, NotThroughExecutorError } from "./errors.ts";
import type { AnyTask, PayloadInput, PayloadSchema, TypedTask, UntypedTask } from "./task-type.ts";

/** So many bytes of tasks go to the executor at once: a line of the protocol has 8 MiB. In characters. */
const BATCH_LENGTH = 2_000_000;
const BATCH = 1_000;

type Limits = Pick<ClientParts, "waitMs" | "maxWaiting"> & {
  /** What tasks get where neither they nor their definition say, in ms; undefined: the executor says. */
  readonly retentionMs: number | undefined;
};

const ReceiptsSchema = v.array(v.object({ id: v.string(), created: v.boolean(), state: v.picklist(TASK_STATES) }));
const CancelsSchema = v.array(v.object({ id: v.string(), state: v.nullable(v.picklist(TASK_STATES)) }));

/** What a broker need not have: whoever asks does without. */
const OPTIONAL = ["many", "lookFor", "moveIn"] as const satisfies readonly (keyof Broker)[];
const TrySchema = v.variant("taken", [
  v.object({ taken: v.literal(true), fence: v.number() }),
  v.object({ taken: v.literal(false), leftMs: v.nullable(v.number()) }),
]);

/** Questions of one client, and their answers as a broker would give them. */
class Line {
  readonly #line = openExecutorLine();

  close(): void {
    this.#line.close();
  }

  /** @throws (rejects) what the executor was refused with. */
  async ask(members: string): Promise<unknown> {
    const told = await this.#line.ask(members);
    if ("error" in told) throw errorOf(told.error);
    return told.value;
  }
}

function errorOf({ code, message }: Extract<Told, { error: unknown }>["error"]): Error {
  switch (code) {
    case "invalid_task":
      return new InvalidTaskError(message);
    case "payload_refused":
      return new PayloadRefusedError(message);
    case "unavailable":
      return new BrokerUnavailableError(message);
    case "refused":
      return new ClientOverloadedError(message);
    case "closed":
      return new ClientClosedError();
    case "too_early":
    case "unsupported":
      return new NotThroughExecutorError(message);
    default:
      return new Error(message);
  }
}

/** What of a broker there is without one; each other call of it throws. */
function brokerOver(line: Line): Broker {
  const hold = (step: string, name: string, owner: string, ttlMs: number): Promise<unknown> => {
    const [nameText, ownerText] = [JSON.stringify(name), JSON.stringify(owner)];
    return line.ask(`"kind":"hold","step":"${step}","name":${nameText},"owner":${ownerText},"ttl_ms":${ttlMs}`);
  };
  const known: Pick<Broker, "url" | "locks" | "record" | "cancel" | "close"> = {
    locks: {
      take: async (name, owner, ttlMs) => v.parse(TrySchema, await hold("take", name, owner, ttlMs)),
      renew: async (name, owner, ttlMs) => v.parse(v.boolean(), await hold("renew", name, owner, ttlMs)),
      free: async (name, owner) => v.parse(v.boolean(), await hold("free", name, owner, LEAST_LOCK_TTL_MS)),
    },
    url: "the executor's",
    // As the executor's broker gave it.
    record: async (id) => (await line.ask(`"kind":"task","id":${JSON.stringify(id)}`)) as TaskRecord | null,
    cancel: async (ids) => v.parse(CancelsSchema, await line.ask(`"kind":"cancel","ids":${JSON.stringify(ids)}`)),
    close: async () => line.close(),
  };
  // The client asks it for nothing but what the contract has.
  return new Proxy(known, {
    get: (target, name) => {
      if (OPTIONAL.some((each) => each === name)) return undefined;
      return Reflect.get(target, name) ?? (() => refuse(String(name)));
    },
  }) as Broker;
}

function refuse(name: string): never {
  throw new NotThroughExecutorError(
    `${name} needs the broker's address, connect(ADDRESS): a handler that runs in a runner has none, and its ` +
      "executor enqueues, reads records, cancels by ids and takes locks for it",
  );
}

export class ExecutorClient extends Client {
  readonly #line: Line;
  readonly #limits: Limits;
  /** How many tasks are on their way. */
  #held = 0;
  #isClosed = false;
  /** Resolved, once it is closed, when none is on its way. */
  readonly #drained = Promise.withResolvers<void>();

  constructor(limits: Limits) {
    const line = new Line();
    super({ ...limits, broker: brokerOver(line), retentionMs: 0 });
    this.#line = line;
    this.#limits = limits;
  }

  override enqueue<Schema extends PayloadSchema>(
    task: TypedTask<Schema>,
    payload: PayloadInput<Schema>,
    options?: EnqueueOptions,
  ): Promise<EnqueueReceipt>;
  override enqueue(task: string | UntypedTask, payload?: unknown, options?: EnqueueOptions): Promise<EnqueueReceipt>;
  override async enqueue(task: AnyTask, payload?: unknown, options: EnqueueOptions = {}): Promise<EnqueueReceipt> {
    const [receipt] = await this.#send([await this.#written(task, payload, options)]);
    if (receipt === undefined) throw new Error("the executor gave no receipt");
    return receipt;
  }

  override enqueueMany<Schema extends PayloadSchema>(
    task: TypedTask<Schema>,
    items: Many<EnqueueOptions & { readonly payload: PayloadInput<Schema> }>,
  ): Promise<EnqueueReceipt[]>;
  override enqueueMany(task: string | UntypedTask, items: Many<Item>): Promise<EnqueueReceipt[]>;
  override enqueueMany(items: Many<MixedItem>): Promise<EnqueueReceipt[]>;
  override enqueueMany(first: AnyTask | Many<MixedItem>, items?: Many<Item>): Promise<EnqueueReceipt[]> {
    return enqueueBatches(first, items, {
      make: ({ task, payload, ...options }) => this.#written(task, payload, options),
      lengthOf: (text) => text.length,
      send: (texts) => this.#send(texts),
      ...{ most: BATCH, mostLength: BATCH_LENGTH },
    });
  }

  override async close(): Promise<void> {
    if (!this.#isClosed && this.#held === 0) this.#drained.resolve();
    this.#isClosed = true;
    await this.#drained.promise;
    await super.close();
  }

  async #written(task: AnyTask, payload: unknown, options: EnqueueOptions): Promise<string> {
    this.#checkOpen();
    checkTask(task);
    checkOptionNames(options);
    const { writeChild } = await import("../task/message/child-task.ts");
    const ofDefinition = typeof task === "string" ? undefined : task.retentionMs;
    const { retentionMs = ofDefinition ?? this.#limits.retentionMs } = options;
    const all = retentionMs === undefined ? options : { ...options, retentionMs };
    const { head, payload: written } = await writeChild(task, payload, all);
    // Made here, so that a second try enqueues nothing twice.
    return childText({ ...head, id: head.id ?? newId(), payload: written });
  }

  async #send(texts: readonly string[]): Promise<EnqueueReceipt[]> {
    this.#checkOpen();
    const { maxWaiting, waitMs } = this.#limits;
    if (this.#held + texts.length > maxWaiting)
      throw new ClientOverloadedError(`${this.#held} tasks wait to be enqueued and no more fit (limit ${maxWaiting})`);
    this.#held += texts.length;
    try {
      const tasks = texts.join(",");
      return v.parse(ReceiptsSchema, await this.#line.ask(`"kind":"enqueue","wait_ms":${waitMs},"tasks":[${tasks}]`));
    } finally {
      this.#held -= texts.length;
      if (this.#isClosed && this.#held === 0) this.#drained.resolve();
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClientClosedError();
  }
}

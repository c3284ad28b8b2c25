/**
 * The events of this executor for all who listen: one look for all of them, four times a second, while somebody does;
 * of each topic only what has changed since. Nothing runs while nobody listens. Each event has an id; whoever was cut
 * off and names the last one gets what came since, as long as that is kept, else all of it anew.
 */
import { randomUUID } from "node:crypto";
import { Latch, sleep } from "../../../concurrency/index.ts";
import { printableJson } from "../../../task/text/printable-json.ts";
import { EventLog } from "./event-log.ts";
import { Listener } from "./listener.ts";
import { readTopic, TASK_TOPIC, type TopicFields, type TopicReader } from "./topics.ts";

/** Between two looks, in ms, and after how many of them those who listen get a sign of life: 15 s. */
const LOOK_MS = 250;
const LOOKS_A_BEAT = 60;
/** How long what was told of a topic is kept when nobody listens to it any more, in ms. */
const KEPT_MS = 30_000;

/** What topics tell. */
export type Topics = Pick<TopicReader, "read" | "forget">;

/** What was told of a topic: its fields, each as JSON. */
interface Told {
  readonly fields: Map<string, string>;
  at: number;
  listenedAt: number;
}

export class EventHub {
  readonly #reader: Topics;
  readonly #log = new EventLog();
  readonly #listeners = new Set<Listener>();
  readonly #told = new Map<string, Told>();
  /** Another one after each start: a number of an earlier process means nothing. */
  readonly #name = randomUUID().slice(0, 8);
  #number = 0;
  #someone = new Latch();

  constructor(reader: Topics) {
    this.#reader = reader;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** How many tasks are followed, each once. */
  get tasks(): number {
    return [...this.#told.keys()].filter((key) => readTopic(key).topic.startsWith(TASK_TOPIC)).length;
  }

  /** Looks while somebody listens, until the signal aborts; then all streams end. */
  async run(signal: AbortSignal): Promise<never> {
    try {
      for (;;) {
        await this.#someone.wait(signal);
        for (let look = 1; this.#listeners.size > 0; look++) {
          await this.#look();
          if (look % LOOKS_A_BEAT === 0) for (const listener of this.#listeners) listener.send(": still there\n\n");
          await sleep(LOOK_MS, signal);
        }
        this.#someone = new Latch();
      }
    } finally {
      for (const listener of this.#listeners) listener.close("end", "the executor leaves");
    }
  }

  /**
   * Somebody listens from now on.
   *
   * @param last - the id of the last event that it has seen; null: none.
   * @param left - called once, when it is gone.
   */
  listen(topics: ReadonlySet<string>, last: string | null, left: () => void): Listener {
    const listener = new Listener(topics, (gone) => {
      this.#listeners.delete(gone);
      left();
    });
    this.#forgetOld();
    this.#replay(listener, last);
    this.#listeners.add(listener);
    for (const topic of topics) {
      const told = this.#told.get(topic);
      if (told !== undefined) told.listenedAt = performance.now();
    }
    this.#someone.set();
    return listener;
  }

  #replay(listener: Listener, last: string | null): void {
    const [name, number] = last?.split(".") ?? [];
    if (name !== this.#name || !/^\d{1,15}$/.test(number ?? "")) return;
    const missed = this.#log.since(Number(number), performance.now());
    if (missed === null) return;
    for (const topic of listener.topics) if (this.#told.has(topic)) listener.fresh.delete(topic);
    for (const { topic, text } of missed) {
      if (listener.topics.has(topic) && !listener.fresh.has(topic)) listener.send(text);
    }
  }

  async #look(): Promise<void> {
    const topics = new Set([...this.#listeners].flatMap((listener) => [...listener.topics]));
    const read = await this.#reader.read(topics);
    const now = performance.now();
    for (const [topic, fields] of read) this.#tell(topic, fields, now);
    for (const topic of topics) {
      const told = this.#told.get(topic);
      if (told !== undefined) told.listenedAt = now;
    }
    for (const listener of this.#listeners) this.#tellFresh(listener);
    this.#forgetOld();
  }

  /** Tells what has changed of a topic. */
  #tell(topic: string, fields: TopicFields, now: number): void {
    const told = this.#told.get(topic) ?? { fields: new Map<string, string>(), at: 0, listenedAt: now };
    const isFirst = !this.#told.has(topic);
    this.#told.set(topic, told);
    const set: string[] = [];
    for (const [name, value] of Object.entries(fields)) {
      const json = printableJson(value ?? null);
      if (told.fields.get(name) === json) continue;
      told.fields.set(name, json);
      set.push(`${printableJson(name)}:${json}`);
    }
    const gone = [...told.fields.keys()].filter((name) => !Object.hasOwn(fields, name));
    for (const name of gone) told.fields.delete(name);
    if (isFirst || set.length + gone.length > 0) told.at = Date.now();
    // Whoever listens to it is fresh: it gets all of it.
    if (isFirst || set.length + gone.length === 0) return;
    this.#number++;
    const data = `{"at":${told.at},"set":{${set.join(",")}},"gone":${printableJson(gone)}}`;
    const text = this.#text(topic, data);
    this.#log.add({ number: this.#number, topic, text, at: now });
    for (const listener of this.#listeners) {
      if (listener.topics.has(topic) && !listener.fresh.has(topic)) listener.send(text);
    }
  }

  #tellFresh(listener: Listener): void {
    for (const topic of listener.fresh) {
      const told = this.#told.get(topic);
      if (told === undefined) continue;
      listener.fresh.delete(topic);
      const fields = [...told.fields].map(([name, json]) => `${printableJson(name)}:${json}`);
      listener.send(this.#text(topic, `{"at":${told.at},"all":{${fields.join(",")}}}`));
    }
  }

  #text(topic: string, data: string): string {
    return `event: ${readTopic(topic).topic}\nid: ${this.#name}.${this.#number}\ndata: ${data}\n\n`;
  }

  #forgetOld(): void {
    const now = performance.now();
    this.#log.prune(now);
    for (const [topic, { listenedAt }] of this.#told) {
      if (now - listenedAt <= KEPT_MS) continue;
      this.#told.delete(topic);
      this.#reader.forget(topic);
    }
  }
}

/** An executor of another program, as RagFlow's takes its messages: a read that does not wait, and 5 s of sleep. */
import { Redis } from "ioredis";
import { sleep } from "../../src/concurrency/index.ts";

const GROUP = "rag_flow_svr_task_broker";
const STREAMS = ["te.1.common", "te.0.common"];
const POLL_MS = 5_000;
const BEAT_MS = 1_000;

export class PollingExecutor {
  readonly name: string;
  /** Ids of what it has run, in order. */
  readonly ran: string[] = [];
  readonly #redis: Redis;

  private constructor(redis: Redis, name: string) {
    this.#redis = redis;
    this.name = name;
  }

  static async open(url: string, name: string): Promise<PollingExecutor> {
    return new PollingExecutor(new Redis(url), name);
  }

  /** Takes one after the other until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let beatAt = Number.NEGATIVE_INFINITY; ; ) {
      if (performance.now() - beatAt > BEAT_MS) {
        await this.beat();
        beatAt = performance.now();
      }
      if (!(await this.#takeOne())) await sleep(POLL_MS, signal);
    }
  }

  async beat(): Promise<void> {
    const now = new Date().toISOString();
    const beat = { ip_address: "10.1.2.3", pid: 1, name: this.name, now, boot_at: now };
    const json = JSON.stringify({ ...beat, pending: 0, lag: 0, done: this.ran.length, failed: 0, current: {} });
    await this.#redis.sadd("TASKEXE", this.name);
    await this.#redis.zadd(this.name, Date.now() / 1000, json);
  }

  async close(): Promise<void> {
    await this.#redis.quit();
  }

  async #takeOne(): Promise<boolean> {
    for (const stream of STREAMS) {
      const given = ["GROUP", GROUP, this.name, "COUNT", 1, "STREAMS", stream, ">"] as const;
      const reply: unknown = await this.#redis.xreadgroup(...given);
      const [[, [[entry = "", fields = []] = []] = []] = []] = (reply ?? []) as [string, [string, string[]][]][];
      if (entry === "") continue;
      this.ran.push(String(JSON.parse(fields[1] ?? "{}").id));
      await this.#redis.xack(stream, GROUP, entry);
      return true;
    }
    return false;
  }
}

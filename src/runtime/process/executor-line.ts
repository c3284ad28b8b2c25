/**
 * How code in a runner, in whatever thread, asks the executor that has started it: the thread that speaks with the
 * executor says how (`answerThreads`), and all others, the Workers that handlers start, ask that thread.
 */

/** What the executor has said: a value, or why there is none. */
export type Told =
  | { readonly value?: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

/** Asks one question: the members of a JSON object, without its number. Never rejects. */
export type Ask = (members: string) => Promise<Told>;

export interface ExecutorLine {
  readonly ask: Ask;
  /** What is asked is answered no more. */
  close(): void;
}

const CHANNEL = "taskexe.executor";
const CLOSED: Told = { error: { code: "closed", message: "the line to the executor was closed" } };

interface Question {
  readonly from: string;
  readonly number: number;
  readonly members: string;
}

interface Answer {
  readonly to: string;
  readonly number: number;
  readonly told: Told;
}

let askHere: Ask | null = null;

/** Answers all threads of this process, for as long as it lives. Called in the one that speaks with the executor. */
export function answerThreads(ask: Ask): void {
  askHere = ask;
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: MessageEvent<Question | Answer>) => {
    if (!("members" in data)) return;
    const { from, number, members } = data;
    const say = (told: Told): void => channel.postMessage({ to: from, number, told } satisfies Answer);
    ask(members).then(say, (error: unknown) => say({ error: { code: "failed", message: String(error) } }));
  };
}

/** A line of this thread's. */
export function openExecutorLine(): ExecutorLine {
  return askHere === null ? lineOfWorker() : { ask: askHere, close: () => {} };
}

function lineOfWorker(): ExecutorLine {
  const channel = new BroadcastChannel(CHANNEL);
  const own = crypto.randomUUID();
  const waiting = new Map<number, (told: Told) => void>();
  let last = 0;
  let isClosed = false;
  channel.onmessage = ({ data }: MessageEvent<Question | Answer>) => {
    if (!("told" in data) || data.to !== own) return;
    waiting.get(data.number)?.(data.told);
    waiting.delete(data.number);
  };
  return {
    ask(members) {
      if (isClosed) return Promise.resolve(CLOSED);
      const number = ++last;
      return new Promise((resolve) => {
        waiting.set(number, resolve);
        channel.postMessage({ from: own, number, members } satisfies Question);
      });
    },
    close() {
      isClosed = true;
      channel.close();
      for (const resolve of waiting.values()) resolve(CLOSED);
      waiting.clear();
    },
  };
}

/**
 * Keeps the page up to date: one stream of events says that something has changed, and the page asks for what it shows,
 * once a second at the most, and less where that takes long. While the tab is hidden nothing runs. Where the stream
 * breaks, or the broker is away, the lamp says so with the age of what is shown, and it is tried again until it works.
 */
import { span } from "../view/format.ts";
import { AskError } from "../view/page.ts";
import { words } from "../view/words.ts";
import type { Lamp } from "./lamp.ts";
import { tell } from "./told.ts";

/** Between two looks at what has changed, and between two tries of what fails, in ms. */
const LOOK_MS = 1_000;
const RETRY_MS = 1_000;
/** Where a look takes long, the next one waits so many times as long, up to that, in ms: many pages may be open. */
const PACE = 100;
const SLOWEST_MS = 10_000;
/** How often the age is written anew while nothing comes, in ms. */
const TICK_MS = 1_000;

/** The events of the executor's topics, and of the watch of one task. */
const TOPICS = ["overview", "queues", "types", "executors", "tasks"];
const OF_WATCH = ["state", "log", "progress", "waiting", "end"];

/** What is kept up to date. */
export interface Followed {
  /** Where the events come from; none: nothing can change any more. */
  readonly streams: readonly string[];
  /** Whether it must stand still just now. */
  readonly isHeld: boolean;
  refresh(): Promise<void>;
}

export class Live {
  readonly #page: Followed;
  readonly #lamp: Lamp;
  /** By their addresses. */
  readonly #sources = new Map<string, EventSource>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #ticks: ReturnType<typeof setInterval> | null = null;
  #isLooking = false;
  #isWanted = false;
  /** Why nothing new comes; null: it does. */
  #trouble: string | null = null;
  #shownAt = performance.now();
  /** Between two looks, in ms. */
  #pace = LOOK_MS;

  constructor(page: Followed, lamp: Lamp) {
    this.#page = page;
    this.#lamp = lamp;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#stop() : this.#start(true)));
    // A page that is left open must not keep its executor from closing the connection.
    window.addEventListener("pagehide", () => this.#stop());
    window.addEventListener("pageshow", ({ persisted }) => persisted && this.#start(true));
    if (!document.hidden) this.#start(false);
  }

  /** Something has changed: the page is asked again, soon. */
  want(): void {
    this.#isWanted = true;
    if (this.#timer !== null || this.#isLooking || document.hidden || this.#page.isHeld) return;
    const wait = Math.max(0, this.#pace - (performance.now() - this.#shownAt));
    this.#timer = setTimeout(() => this.#look(), wait);
  }

  /** What was held may move again. */
  release(): void {
    if (this.#isWanted) this.want();
  }

  #look(): void {
    this.#timer = null;
    if (this.#page.isHeld) return;
    this.#isLooking = true;
    this.#isWanted = false;
    const begun = performance.now();
    this.#page.refresh().then(
      () => this.#seen(performance.now() - begun),
      (error: unknown) => this.#failed(error),
    );
  }

  #seen(tookMs: number): void {
    this.#isLooking = false;
    this.#pace = Math.min(SLOWEST_MS, Math.max(LOOK_MS, tookMs * PACE));
    this.#shownAt = performance.now();
    if (this.#trouble !== null) tell(words.told.back);
    this.#trouble = null;
    this.#follow();
    this.#draw();
    if (this.#isWanted) this.want();
  }

  #failed(error: unknown): void {
    this.#isLooking = false;
    const status = error instanceof AskError ? error.status : -1;
    // Whoever is not signed in any more is shown where to sign in.
    if (status === 401) location.reload();
    this.#trouble = status === 0 ? words.lamp.gone : status === 503 ? words.lamp.away : words.lamp.stuck;
    this.#draw();
    if (!document.hidden && status !== 404) this.#timer ??= setTimeout(() => this.#look(), RETRY_MS);
  }

  #start(isLate: boolean): void {
    this.#ticks ??= setInterval(() => this.#draw(), TICK_MS);
    this.#follow();
    if (isLate) this.want();
  }

  #stop(): void {
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#ticks !== null) clearInterval(this.#ticks);
    [this.#timer, this.#ticks] = [null, null];
  }

  /** Opens the streams that the page wants, and closes others. */
  #follow(): void {
    const wanted = document.hidden ? [] : this.#page.streams;
    for (const [address, source] of this.#sources) {
      if (wanted.includes(address)) continue;
      source.close();
      this.#sources.delete(address);
    }
    for (const address of wanted) {
      if (!this.#sources.has(address)) this.#sources.set(address, this.#opened(address));
    }
  }

  #opened(address: string): EventSource {
    const source = new EventSource(address);
    source.addEventListener("open", () => {
      // What happened while there was no stream, nobody has told.
      if (this.#trouble !== null) this.want();
      this.#draw();
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CONNECTING) this.#trouble ??= words.lamp.gone;
      this.#draw();
    });
    for (const name of TOPICS) source.addEventListener(name, (event) => this.#told(event));
    for (const name of OF_WATCH) source.addEventListener(name, () => this.want());
    // The task has ended, and so has its stream.
    source.addEventListener("end", () => source.close());
    return source;
  }

  /** All of a topic, or what of it has changed. */
  #told({ data }: MessageEvent): void {
    const { all, set = all ?? {}, gone = [] }: Told = JSON.parse(String(data));
    if (typeof set.broker === "string") this.#toldOfBroker(set.broker);
    // When the figures were read is no change of them.
    const isChange = gone.length > 0 || Object.keys(set).some((name) => name !== "counted_at");
    if (isChange) this.want();
  }

  #toldOfBroker(state: string): void {
    if (state === "connected") {
      if (this.#trouble !== null) this.want();
      return;
    }
    this.#trouble = state === "refusing" ? words.lamp.refusing : words.lamp.away;
    this.#draw();
  }

  #draw(): void {
    const age = performance.now() - this.#shownAt;
    const sources = [...this.#sources.values()];
    if (this.#trouble !== null) this.#lamp.show("away", words.lamp.since(this.#trouble, span(age)));
    else if (this.#page.streams.length === 0) this.#lamp.show("still", words.lamp.ended);
    else if (sources.some(({ readyState }) => readyState === EventSource.OPEN))
      this.#lamp.show("live", words.lamp.live);
    else if (age > TICK_MS * 2) this.#lamp.show("old", words.lamp.old(span(age)));
  }
}

/** What an event of a topic tells: all of it, or what has changed. */
interface Told {
  readonly all?: Readonly<Record<string, unknown>>;
  readonly set?: Readonly<Record<string, unknown>>;
  readonly gone?: readonly string[];
}

/** A page that could not be shown is asked for again until it can be. */
export function healPage(): void {
  if (document.querySelector("[data-heals]") === null) return;
  const again = (): void => {
    if (document.hidden) return;
    fetch(location.href, { method: "HEAD", cache: "no-store" }).then(
      ({ status }) => {
        if (status !== 503) location.reload();
      },
      () => {},
    );
  };
  setInterval(again, RETRY_MS * 2);
}

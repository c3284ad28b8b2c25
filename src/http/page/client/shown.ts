/** The page that is shown: its data, which the server has sent along, and how it is rendered again. */
import { flushSync, jsx, render, useState } from "hono/jsx/dom";
import { PAGES_BY_NAME } from "../pages/index.ts";
import type { View } from "../view/h.ts";
import type { Around, Page, PageName } from "../view/page.ts";
import { words } from "../view/words.ts";
import { ask } from "./ask.ts";
import { Selection } from "./bulk.ts";
import { Charts } from "./charts.ts";
import { Lamp } from "./lamp.ts";
import { type Followed, Live } from "./live.ts";
import { tell } from "./told.ts";

interface Island {
  readonly page: PageName;
  readonly may: readonly string[];
  readonly zone: string;
  readonly now: number;
  readonly data: unknown;
}

/** So near to its end a log counts as read to it. */
const END_PX = 12;

export class Shown implements Followed {
  readonly #page: Page;
  readonly #island: Island;
  readonly #main: HTMLElement;
  #data: unknown;
  /** The broker's clock less ours, in ms. */
  readonly #skew: number;
  readonly #lamp = new Lamp();
  #isFrozen = false;
  #isFirst = true;
  #redraw: (() => void) | null = null;
  #live: Live | null = null;
  #charts: Charts | null = null;
  selection: Selection | null = null;

  private constructor(page: Page, island: Island, main: HTMLElement) {
    this.#page = page;
    this.#island = island;
    this.#main = main;
    this.#data = island.data;
    this.#skew = island.now - Date.now();
  }

  /** What the server has rendered; null where it is no page with data. */
  static take(): Shown | null {
    const block = document.querySelector("#island");
    const main = document.querySelector<HTMLElement>("main");
    if (block === null || main === null) return null;
    const island: Island = JSON.parse(block.textContent ?? "");
    const page = PAGES_BY_NAME.get(island.page);
    return page === undefined ? null : new Shown(page, island, main);
  }

  begin(): void {
    this.render();
    this.selection = Selection.of(this, () => this.#live?.release());
    this.#charts = new Charts(this.around.zone);
    this.#drawCharts();
    this.#live = new Live(this, this.#lamp);
  }

  /** Nothing moves until it is asked for again. */
  freeze(): void {
    this.#isFrozen = !this.#isFrozen;
    tell(this.#isFrozen ? words.told.frozen : words.told.thawed);
    this.#lamp.freeze(this.#isFrozen);
    if (!this.#isFrozen) this.#live?.release();
  }

  get streams(): readonly string[] {
    return this.#page.streams(this.#data);
  }

  /** While rows are selected, the table stands still; while a dialog asks, so does what it asks about. */
  get isHeld(): boolean {
    return this.#isFrozen || this.selection?.isEmpty === false || document.querySelector("dialog[open]") !== null;
  }

  get around(): Around {
    const { may, zone } = this.#island;
    const { pathname: path, search } = location;
    return { now: Date.now() + this.#skew, zone, may, path, search };
  }

  /** Asks again, and shows what is new. @throws (rejects) AskError. */
  async refresh(): Promise<void> {
    this.#data = await this.#page.load(ask, new URL(location.href), this.#data);
    this.render();
    this.#drawCharts();
  }

  #drawCharts(): void {
    this.#charts?.draw(this.#page.charts?.(this.#data) ?? []);
  }

  /** One root for as long as the page lives: what has not changed stays the same element. */
  #draw(): void {
    if (this.#redraw !== null) {
      flushSync(this.#redraw);
      return;
    }
    const root = (): View => {
      const [count, setCount] = useState(0);
      this.#redraw = () => setCount(count + 1);
      return this.#page.view(this.#data, this.around);
    };
    render(jsx(root, {}), this.#main);
  }

  /** What has the focus keeps it, though its surroundings change; a log that was read to its end is followed. */
  render(): void {
    const focus = document.activeElement;
    const scrolled = [...this.#main.querySelectorAll(".log, .json, pre")].map(
      (each) => [each, each.scrollTop] as const,
    );
    const log = this.#main.querySelector("[data-follow]");
    const isFollowed = this.#isFirst || log === null || log.scrollTop + log.clientHeight >= log.scrollHeight - END_PX;
    this.#isFirst = false;
    this.#draw();
    for (const [each, top] of scrolled) if (each.scrollTop !== top) each.scrollTop = top;
    const now = this.#main.querySelector("[data-follow]");
    if (isFollowed && now !== null) now.scrollTop = now.scrollHeight;
    // An element that was moved has lost it.
    if (focus instanceof HTMLElement && focus.isConnected && document.activeElement !== focus) {
      focus.focus({ preventScroll: true });
    }
  }
}

/** The page that is shown: its data, which the server has sent along, and how it is rendered again. */
import { render } from "hono/jsx/dom";
import { PAGES_BY_NAME } from "../pages/index.ts";
import type { Around, Page, PageName, Role } from "../view/page.ts";
import { words } from "../view/words.ts";
import { ask } from "./ask.ts";
import { Selection } from "./bulk.ts";
import { Lamp } from "./lamp.ts";
import { tell } from "./told.ts";

interface Island {
  readonly page: PageName;
  readonly role: Role;
  readonly zone: string;
  readonly now: number;
  readonly data: unknown;
}

export class Shown {
  readonly #page: Page;
  readonly #island: Island;
  readonly #main: HTMLElement;
  #data: unknown;
  /** The broker's clock less ours, in ms. */
  readonly #skew: number;
  readonly #lamp = new Lamp();
  #isFrozen = false;
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
    this.selection = Selection.of(this);
  }

  /** Nothing moves until it is asked for again. */
  freeze(): void {
    this.#isFrozen = !this.#isFrozen;
    tell(this.#isFrozen ? words.told.frozen : words.told.thawed);
    this.#lamp.freeze(this.#isFrozen);
  }

  get topics(): readonly string[] {
    return this.#page.topics(this.#data);
  }

  get around(): Around {
    const { role, zone } = this.#island;
    const { pathname: path, search } = location;
    return { now: Date.now() + this.#skew, zone, role, path, search };
  }

  /** Asks again, and shows what is new. @throws (rejects) AskError. */
  async refresh(): Promise<void> {
    this.#data = await this.#page.load(ask, new URL(location.href));
    this.render();
  }

  render(): void {
    render(this.#page.view(this.#data, this.around) as never, this.#main);
  }
}

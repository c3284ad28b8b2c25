/**
 * Changes to many: those that were selected, or all that the query finds. They are counted first, and above a hundred
 * the number must be typed. The table stands still while something is selected.
 */
import { askTasks } from "../view/api.ts";
import { count } from "../view/format.ts";
import { words } from "../view/words.ts";
import { ask, change } from "./ask.ts";
import { confirmed, element } from "./dialog.ts";
import { tell, telling } from "./told.ts";

const API = "/api/v1";
/** How many ids one request takes, and how many are changed at once from here. */
const BATCH = 1_000;
const MOST = 100_000;
/** Above so many the number must be typed. */
const TYPED_ABOVE = 100;

type Change = "cancel" | "retry";

/** The page, once it is to be asked again. */
interface Refreshed {
  refresh(): Promise<void>;
}

/** The ids of all that a query finds. @param told - called with how many there are so far. */
export async function gathered(query: string, told: (count: number) => void = () => {}): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await askTasks(ask, { q: query, limit: String(BATCH), cursor });
    ids.push(...page.tasks.map(({ id }) => id));
    told(ids.length);
    cursor = page.cursor;
  } while (cursor !== null && ids.length < MOST);
  return ids.slice(0, MOST);
}

/** Changes them, a batch a request, and tells how many were changed. */
export async function actOn(ids: readonly string[], what: Change): Promise<void> {
  let changed = 0;
  for (let from = 0; from < ids.length; from += BATCH) {
    const { tasks } = (await change("POST", `${API}/${what}`, { ids: ids.slice(from, from + BATCH) })) as Receipts;
    changed += tasks.filter((receipt) => hasChanged(what, receipt)).length;
    if (ids.length > BATCH) tell(words.told.soFar(changed, ids.length));
  }
  tell(words.told.done(what, changed, ids.length));
}

interface Receipts {
  readonly tasks: readonly { readonly state: string | null; readonly retried?: boolean }[];
}

function hasChanged(what: Change, { state, retried }: Receipts["tasks"][number]): boolean {
  return what === "retry" ? retried === true : state !== null && !["done", "dead", "cancelled"].includes(state);
}

export class Selection {
  readonly #bar: HTMLElement;
  readonly #page: Refreshed;
  readonly #emptied: () => void;
  readonly #picked = new Set<string>();
  /** All that the query finds, in the place of those that were picked. */
  #isAll = false;

  /** Null where nothing can be selected. */
  static of(page: Refreshed, emptied: () => void): Selection | null {
    const bar = document.querySelector<HTMLElement>("#bulk");
    return bar === null ? null : new Selection(bar, page, emptied);
  }

  private constructor(bar: HTMLElement, page: Refreshed, emptied: () => void) {
    this.#bar = bar;
    this.#page = page;
    this.#emptied = emptied;
    document.addEventListener("change", (event) => {
      const { pick } = (event.target as HTMLElement).dataset;
      if (pick !== undefined) this.#pick(pick, (event.target as HTMLInputElement).checked);
    });
    this.#headBox();
  }

  get isEmpty(): boolean {
    return this.#picked.size === 0 && !this.#isAll;
  }

  toggle(id: string): void {
    const box = this.#boxes().find(({ dataset }) => dataset.pick === id);
    if (box === undefined) return;
    box.checked = !box.checked;
    this.#pick(id, box.checked);
  }

  #pick(id: string, isPicked: boolean): void {
    if (isPicked) this.#picked.add(id);
    else this.#picked.delete(id);
    this.#isAll = false;
    this.#draw();
  }

  #boxes(): HTMLInputElement[] {
    return [...document.querySelectorAll<HTMLInputElement>("[data-pick]")];
  }

  /** The box in the head selects the page. */
  #headBox(): void {
    const head = document.querySelector("th.pick");
    const box = element("input", { type: "checkbox", "aria-label": words.tasks.selectAll });
    box.addEventListener("change", () => {
      for (const each of this.#boxes()) {
        each.checked = box.checked;
        if (box.checked) this.#picked.add(each.dataset.pick ?? "");
        else this.#picked.delete(each.dataset.pick ?? "");
      }
      this.#isAll = false;
      this.#draw();
    });
    head?.replaceChildren(box);
  }

  #clear(): void {
    this.#picked.clear();
    this.#isAll = false;
    for (const box of [...this.#boxes(), ...document.querySelectorAll<HTMLInputElement>("th.pick input")]) {
      box.checked = false;
    }
    this.#draw();
  }

  #draw(): void {
    this.#bar.hidden = this.isEmpty;
    if (this.isEmpty) this.#emptied();
    if (this.isEmpty) return;
    const said = this.#isAll ? words.bulk.all : words.bulk.selected(this.#picked.size);
    const label = element("strong", {}, said);
    const all = this.#button(words.bulk.selectAll, "quiet", () => {
      this.#isAll = true;
      this.#draw();
    });
    this.#bar.replaceChildren(
      label,
      ...(this.#isAll ? [] : [all]),
      this.#button(words.actions.retry, "", () => telling(() => this.act("retry"))),
      this.#button(words.actions.cancel, "bad", () => telling(() => this.act("cancel"))),
      this.#button(words.bulk.clear, "quiet", () => this.#clear()),
    );
  }

  #button(text: string, tone: string, act: () => void): HTMLButtonElement {
    const button = element("button", { type: "button", class: tone }, text);
    button.addEventListener("click", act);
    return button;
  }

  /** Counts, asks, changes, and shows what has become of it. */
  async act(what: Change): Promise<void> {
    const query = new URLSearchParams(location.search).get("q") ?? "";
    const ids = this.#isAll ? await gathered(query, (found) => tell(words.told.counting(found))) : [...this.#picked];
    const title = words.dialog.many(words.actions[what], ids.length);
    const text = this.#isAll ? words.dialog.matching(query) : words.dialog.selected;
    const typed = ids.length > TYPED_ABOVE ? { typed: String(ids.length) } : {};
    const yes = `${words.actions[what]} ${count(ids.length)}`;
    if (!(await confirmed({ title, text, yes, isBad: what === "cancel", ...typed }))) return;
    await actOn(ids, what);
    this.#clear();
    await this.#page.refresh();
  }
}

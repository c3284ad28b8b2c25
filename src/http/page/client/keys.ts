/** The keyboard: `g` and a letter go to a page, `j` and `k` walk through the rows, a letter does what a button does. */
import { showKeys } from "./key-help.ts";
import { openPalette } from "./palette.ts";
import type { Shown } from "./shown.ts";
import { telling } from "./told.ts";

/** Behind `g`. */
export const PLACES: Readonly<Record<string, string>> = {
  ...{ o: "/ui", t: "/ui/tasks", q: "/ui/queues", y: "/ui/types" },
  ...{ e: "/ui/executors", s: "/ui/schedules", d: "/ui/dead" },
};

/** How long `g` waits for its letter, in ms. */
const CHORD_MS = 1_500;

export function listenToKeys(shown: Shown | null): void {
  let goUntil = 0;
  document.addEventListener("keydown", (event) => {
    const { key } = event;
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]") !== null) return;
    const place = performance.now() < goUntil ? PLACES[key] : undefined;
    goUntil = key === "g" ? performance.now() + CHORD_MS : 0;
    if (place !== undefined) {
      location.href = place;
      return;
    }
    if (pressed(key, shown)) event.preventDefault();
  });
}

function isTyping(target: EventTarget | null): boolean {
  const isBox = target instanceof HTMLInputElement && target.type === "checkbox";
  return !isBox && target instanceof Element && target.closest("input, select, textarea, [contenteditable]") !== null;
}

/** Whether the key meant something. */
function pressed(key: string, shown: Shown | null): boolean {
  switch (key) {
    case "/":
      document.querySelector<HTMLInputElement>("#search")?.select();
      document.querySelector<HTMLInputElement>("#search")?.focus();
      return true;
    case "?":
      showKeys();
      return true;
    case ".":
      shown?.freeze();
      return true;
    case "j":
    case "k":
      return walk(key === "j" ? 1 : -1);
    case "Enter":
      return open();
    case "x":
      return pick(shown);
    case "c":
    case "r":
      return change(key === "c" ? "cancel" : "retry", shown);
    case "p":
      return press("pause") || press("resume");
    default:
      return false;
  }
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("main tr[data-row]")];
}

function current(): HTMLElement | null {
  return document.querySelector<HTMLElement>("main tr[data-current]");
}

function walk(by: number): boolean {
  const all = rows();
  const now = current();
  const at = now === null ? (by > 0 ? 0 : all.length - 1) : all.indexOf(now) + by;
  const next = all[Math.max(0, Math.min(all.length - 1, at))];
  if (next === undefined) return false;
  delete now?.dataset.current;
  next.dataset.current = "";
  next.scrollIntoView({ block: "nearest" });
  next.querySelector<HTMLElement>("th a")?.focus({ preventScroll: true });
  return true;
}

function open(): boolean {
  // A link or a button that has the focus does what it does.
  if (document.activeElement instanceof HTMLElement && document.activeElement.matches("a, button, summary"))
    return false;
  const link = current()?.querySelector<HTMLAnchorElement>("th a");
  link?.click();
  return link !== undefined && link !== null;
}

function pick(shown: Shown | null): boolean {
  const id = current()?.dataset.row;
  if (id === undefined || shown?.selection == null) return false;
  shown.selection.toggle(id);
  return true;
}

/** What is selected, else the button of the row, or of the page. */
function change(what: "cancel" | "retry", shown: Shown | null): boolean {
  const { selection } = shown ?? {};
  if (selection != null && current() !== null && selection.isEmpty) selection.toggle(current()?.dataset.row ?? "");
  if (selection != null && !selection.isEmpty) {
    telling(() => selection.act(what));
    return true;
  }
  return press(what);
}

function press(what: string): boolean {
  const button = (current() ?? document.querySelector("main"))?.querySelector<HTMLButtonElement>(`[data-do="${what}"]`);
  button?.click();
  return button != null;
}

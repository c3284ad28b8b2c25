/** What has been done is told once, to eyes and ears: in a line at the foot that goes, and in the one live region. */
import { element } from "./dialog.ts";

/** How long the line stays, in ms. */
const SHOWN_MS = 6_000;

let last: HTMLElement | null = null;

export function tell(text: string, isBad = false): void {
  const region = document.querySelector("#told");
  if (region !== null) region.textContent = text;
  last?.remove();
  const line = element("div", { class: isBad ? "toast bad" : "toast", "aria-hidden": "true" }, text);
  document.body.append(line);
  last = line;
  setTimeout(() => line.remove(), SHOWN_MS);
}

/** Does something, and tells where it fails. */
export function telling(what: () => Promise<void>): void {
  what().then(undefined, (error: unknown) => tell(error instanceof Error ? error.message : String(error), true));
}

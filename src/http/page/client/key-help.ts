/** The list of keys. */
import { words } from "../view/words.ts";
import { element, opened } from "./dialog.ts";

export function showKeys(): void {
  const content = element("div", {});
  const list = element("dl", { class: "keys" });
  for (const [keys, what] of Object.entries(words.keys.list)) {
    const title = element("dt", {});
    title.append(...keys.split(" ").map((key) => element("kbd", {}, key)));
    list.append(title, element("dd", {}, what));
  }
  const form = element("form", { method: "dialog", class: "buttons" });
  form.append(element("button", { type: "submit" }, words.actions.close));
  content.append(element("h2", {}, words.keys.title), list, form);
  opened(words.keys.title, content, "help");
}

/** Native dialogs: a question before a change, the list of keys. Focus goes in, and back to where it was. */
import { words } from "../view/words.ts";

export interface Question {
  readonly title: string;
  readonly text: string;
  /** The button that says yes. */
  readonly yes: string;
  readonly isBad?: boolean;
  /** What must be typed before yes; absent: nothing. */
  readonly typed?: string;
}

/** Asks; gives whether the answer was yes. */
export function confirmed({ title, text, yes, isBad = false, typed }: Question): Promise<boolean> {
  const form = element("form", { method: "dialog" });
  const no = element("button", { type: "submit", value: "no" }, words.dialog.no);
  const agree = element("button", { type: "submit", value: "yes", class: isBad ? "primary bad" : "primary" }, yes);
  form.append(element("h2", {}, title), element("p", {}, text));
  if (typed !== undefined) {
    const input = element("input", { autocomplete: "off", spellcheck: "false" });
    const label = element("label", {}, words.dialog.typed(typed));
    label.append(input);
    form.append(label);
    agree.disabled = true;
    input.addEventListener("input", () => {
      agree.disabled = input.value.replace(/\s/g, "") !== typed;
    });
  }
  const buttons = element("div", { class: "buttons" });
  buttons.append(no, agree);
  form.append(buttons);
  return new Promise((answer) => {
    opened(title, form).addEventListener("close", (event) => {
      answer((event.target as HTMLDialogElement).returnValue === "yes");
    });
  });
}

/** Shows what stands in it until it is closed. */
export function opened(label: string, content: HTMLElement, name = "ask"): HTMLDialogElement {
  const dialog = element("dialog", { "aria-label": label, class: name });
  dialog.append(content);
  // A click beside it closes it.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** An element with text. Nothing here makes markup of text. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>>,
  text = "",
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  return made;
}

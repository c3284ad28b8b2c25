/** The palette on ctrl-K: goes to a page, a task or a query by typing a part of its name. */
import { PAGE_NAMES, PAGE_ROOT, taskPath, tasksPath } from "../view/page.ts";
import { words } from "../view/words.ts";
import { element, opened } from "./dialog.ts";

interface Command {
  readonly title: string;
  readonly href: string;
}

export function openPalette(): void {
  if (document.querySelector("dialog.palette") !== null) return;
  const input = element("input", {
    ...{ role: "combobox", "aria-expanded": "true", "aria-controls": "commands", "aria-autocomplete": "list" },
    ...{ "aria-label": words.palette.title, placeholder: words.palette.hint, autocomplete: "off", spellcheck: "false" },
  });
  const list = element("ul", { id: "commands", role: "listbox", "aria-label": words.palette.title });
  const content = element("div", {});
  content.append(input, list);
  let [commands, at]: [Command[], number] = [[], 0];

  const draw = (): void => {
    list.replaceChildren(
      ...commands.map(({ title, href }, index) => {
        const attributes = { id: `command-${index}`, role: "option", "aria-selected": String(index === at) };
        const item = element("li", attributes, title);
        item.addEventListener("click", () => go(href));
        return item;
      }),
    );
    input.setAttribute("aria-activedescendant", commands.length === 0 ? "" : `command-${at}`);
  };
  input.addEventListener("input", () => {
    [commands, at] = [commandsFor(input.value.trim()), 0];
    draw();
  });
  input.addEventListener("keydown", ({ key, isComposing }) => {
    const chosen = commands[at];
    if (isComposing || commands.length === 0) return;
    if (key === "Enter" && chosen !== undefined) go(chosen.href);
    else if (key === "ArrowDown") at = (at + 1) % commands.length;
    else if (key === "ArrowUp") at = (at + commands.length - 1) % commands.length;
    else return;
    draw();
  });
  commands = commandsFor("");
  draw();
  opened(words.palette.title, content, "palette");
  input.focus();
}

function commandsFor(text: string): Command[] {
  const pages = PAGE_NAMES.map((page) => ({
    title: words.palette.go(words.pages[page]),
    href: page === "overview" ? PAGE_ROOT : `${PAGE_ROOT}/${page}`,
  }));
  const views = Object.entries(words.tasks.views).map(([query, title]) => ({
    title: words.palette.view(title),
    href: tasksPath(query),
  }));
  const fitting = [...pages, ...views].filter(({ title }) => title.toLowerCase().includes(text.toLowerCase()));
  if (text === "") return fitting;
  const search = { title: words.palette.search(text), href: tasksPath(text) };
  const task = { title: words.palette.task(text), href: taskPath(text) };
  return [...fitting, search, ...(/[\s:]/.test(text) ? [] : [task])];
}

function go(href: string): void {
  location.href = href;
}

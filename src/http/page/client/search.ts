/** Suggestions for a query, while one types: its keys, and the states. */
import { QUERY_TERMS } from "../view/query-text.ts";
import { element } from "./dialog.ts";

export function suggestTerms(): void {
  const input = document.querySelector<HTMLInputElement>("#search");
  if (input === null) return;
  const list = element("datalist", { id: "terms" });
  input.after(list);
  input.setAttribute("list", "terms");
  const suggest = (): void => {
    // The last term is the one that is being typed.
    const [, before = "", last = ""] = /^(.*\s)?(\S*)$/.exec(input.value) ?? [];
    const terms = QUERY_TERMS.filter((term) => term.startsWith(last) && term !== last);
    list.replaceChildren(...terms.map((term) => element("option", { value: `${before}${term}` })));
  };
  input.addEventListener("input", suggest);
  suggest();
}

/** The views that stand in the place of a page: the sign-in, and what went wrong. */
import { h, type View } from "./view/h.ts";
import { PAGE_ROOT } from "./view/page.ts";
import { lines } from "./view/text.ts";
import { serverWords, words } from "./view/words.ts";

/** @param next - where to go then. */
export function loginView(next: string, wasWrong: boolean): View {
  const { login } = serverWords;
  return h(
    "form",
    { class: "panel login", method: "post", action: `${PAGE_ROOT}/login` },
    h("h1", null, login.title),
    h("p", { class: "soft" }, login.why),
    wasWrong && h("p", { class: "problem", role: "alert" }, login.wrong),
    h("input", { type: "hidden", name: "next", value: next }),
    h("label", { for: "token" }, login.token),
    h("input", {
      ...{ id: "token", name: "token", type: "password", autocomplete: "current-password", required: true },
      ...{ autofocus: true, maxlength: 1_024 },
    }),
    h("button", { class: "primary", type: "submit" }, login.enter),
  );
}

/** @param status - of the answer that was had in place of the data. */
export function problemView(message: string, status: number): View {
  const { problems } = serverWords;
  return h(
    "section",
    { class: "panel problem-page", role: "alert", "data-heals": status === 503 || status === 0 ? "" : null },
    h("h1", null, status === 404 ? words.problems.notFound : problems.title),
    h("p", null, lines(message, 2_000)),
    status === 503 && h("p", { class: "soft" }, problems.broker),
    h("p", null, h("a", { href: PAGE_ROOT }, problems.back)),
  );
}

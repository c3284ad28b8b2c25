/** The HTML around a view: the frame with its navigation, search and choices, and what the islands need to know. */
import { raw } from "hono/html";
import { VERSION } from "../../version.ts";
import type { Role } from "../api/guard/roles.ts";
import type { AssetNames } from "./assets.ts";
import { type Preferences, THEMES } from "./preferences.ts";
import { clock } from "./view/format.ts";
import { h, icon, type View } from "./view/h.ts";
import { PAGE_NAMES, PAGE_ROOT, type PageName } from "./view/page.ts";
import { name } from "./view/text.ts";
import { serverWords, words } from "./view/words.ts";

export interface Frame extends Preferences {
  /** The one that is shown; null: none of the list. */
  readonly page: PageName | null;
  readonly assets: AssetNames | null;
  readonly executor: string;
  readonly role: Role;
  /** The operations of the API that it may ask for and that change something. */
  readonly may: readonly string[];
  /** It was signed in, and can sign out. */
  readonly hasSession: boolean;
  readonly url: URL;
}

export interface Content {
  readonly title: string;
  readonly view: View;
  /** What the view was made of, for the islands; null: there are none. */
  readonly data: unknown;
  /** Unix ms. */
  readonly now: number;
}

const ICONS: Readonly<Record<(typeof PAGE_NAMES)[number], string>> = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  tasks: "M9 6h11M9 12h11M9 18h11M4 6h1M4 12h1M4 18h1",
  queues: "M4 5h16v4H4zM4 11h16v4H4zM4 17h10",
  types: "M8 4L3 12l5 8M16 4l5 8l-5 8",
  executors: "M4 4h16v7H4zM4 13h16v7H4zM8 7.5h.01M8 16.5h.01",
  schedules: "M12 4a8 8 0 1 0 0 16a8 8 0 1 0 0-16zM12 8v4.5l3 2",
  dead: "M12 3l9.5 17h-19zM12 10v4M12 17h.01",
};

/** The brand is drawn, so no file is asked for. */
const BRAND =
  "data:image/svg+xml," +
  encodeURIComponent(
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='4' fill='#2757c9'/>" +
      "<path d='M4 5h8M4 8h5M4 11h7' stroke='#fff' stroke-width='1.6'/></svg>",
  );

/** The whole document. */
export function documentOf(frame: Frame, content: Content): string {
  const theme = frame.theme === "system" ? null : frame.theme;
  const document = h(
    "html",
    { lang: "en", "data-theme": theme },
    head(frame, content.title),
    h(
      "body",
      { "data-page": frame.page ?? "none" },
      h("a", { class: "skip", href: "#main" }, serverWords.frame.skip),
      bar(frame, content.now),
      rail(frame),
      h("main", { id: "main", tabindex: -1 }, content.view),
      h("footer", null, choices(frame)),
      h("div", { id: "told", class: "heard", role: "status", "aria-live": "polite" }),
      content.data === null ? null : island(frame, content),
    ),
  );
  return `<!doctype html>${document}`;
}

function head({ assets }: Frame, title: string): View {
  return h(
    "head",
    null,
    h("meta", { charset: "utf-8" }),
    h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    h("meta", { name: "color-scheme", content: "light dark" }),
    h("title", null, `${name(title)} · ${serverWords.product}`),
    h("link", { rel: "icon", href: BRAND }),
    assets && h("link", { rel: "stylesheet", href: `${PAGE_ROOT}/assets/${assets.style}` }),
    assets && h("script", { type: "module", src: `${PAGE_ROOT}/assets/${assets.script}` }),
  );
}

function bar({ url, page, executor, zone }: Frame, now: number): View {
  const query = page === "tasks" ? (url.searchParams.get("q") ?? "") : "";
  return h(
    "header",
    null,
    h(
      "a",
      { class: "brand", href: PAGE_ROOT },
      h("img", { src: BRAND, alt: "", width: 20, height: 20 }),
      serverWords.product,
    ),
    h(
      "form",
      { class: "search", role: "search", action: `${PAGE_ROOT}/tasks` },
      h("input", {
        ...{ type: "search", name: "q", id: "search", value: query, placeholder: serverWords.frame.searchHint },
        ...{ "aria-label": serverWords.frame.search, autocomplete: "off", spellcheck: "false", maxlength: 2_000 },
      }),
      h("kbd", { "aria-hidden": "true" }, "/"),
    ),
    h("span", { class: "serves mid", title: serverWords.frame.executor }, name(executor, 48)),
    h("span", { class: "lamp", id: "lamp", "data-state": "still" }, words.lamp.still(clock(now, zone, now))),
  );
}

function rail({ page }: Frame): View {
  const links = PAGE_NAMES.map((each) => {
    const href = each === "overview" ? PAGE_ROOT : `${PAGE_ROOT}/${each}`;
    const isCurrent = each === page || (page === "task" && each === "tasks");
    return h(
      "li",
      null,
      h(
        "a",
        { href, "aria-current": isCurrent ? "page" : null, "data-nav": each },
        icon(ICONS[each]),
        h("span", null, words.pages[each]),
      ),
    );
  });
  return h("nav", { "aria-label": serverWords.frame.nav }, h("ul", null, links));
}

/** Told by the server alone: browsers need not have these words. */
const ROLES: Readonly<Record<Role, { readonly name: string; readonly why: string }>> = {
  read: { name: "read only", why: words.frame.readOnly },
  operate: { name: "may operate", why: "May cancel, retry, pause and enqueue" },
  admin: { name: "may change", why: "May do everything" },
};

/** The choices work with JavaScript only, and are hidden without it. */
function choices({ theme, zone, role, hasSession }: Frame): View {
  const themes = THEMES.map((each) =>
    h("option", { value: each, selected: each === theme }, serverWords.frame.themes[each]),
  );
  const zones = [...new Set(["UTC", zone])].map((each) =>
    h("option", { value: each, selected: each === zone }, each === "UTC" ? serverWords.frame.utc : each),
  );
  return h(
    "div",
    { class: "choices" },
    h("label", { class: "scripted" }, h("span", null, serverWords.frame.theme), h("select", { id: "theme" }, themes)),
    h("label", { class: "scripted" }, h("span", null, serverWords.frame.zone), h("select", { id: "zone" }, zones)),
    h("span", { class: "chip", title: ROLES[role].why, id: "role" }, ROLES[role].name),
    h(
      "button",
      { class: "scripted quiet", type: "button", "data-do": "keys" },
      serverWords.frame.keys,
      h("kbd", null, "?"),
    ),
    hasSession &&
      h(
        "form",
        { method: "post", action: `${PAGE_ROOT}/logout` },
        h("button", { class: "quiet", type: "submit" }, serverWords.frame.signOut),
      ),
    h("span", { class: "soft" }, VERSION),
  );
}

/** A block of data is not run, whatever stands in it; only its end must not be in it. */
function island({ page, may, zone }: Frame, { data, now }: Content): View {
  const json = JSON.stringify({ page, may, zone, now, data }).replace(/</g, "\\u003c");
  return h("script", { type: "application/json", id: "island" }, raw(json) as unknown as string);
}

/**
 * The page for people, at /ui: HTML that the server renders from what the API answers, so it shows what the API would
 * tell whoever asks, and nothing else; without JavaScript it can be read. What it changes goes through the API, too.
 * Where tokens are configured, a browser signs in by any of them and has a session (guard/session.ts).
 */
import { type Context, Hono } from "hono";
import { ApiError } from "../api/api-error.ts";
import { type Access, hostOf, type PeerBindings } from "../api/guard/access.ts";
import { checkOrigin, slowed } from "../api/guard/guard.ts";
import { mayChange } from "../api/guard/roles.ts";
import { readBody } from "../api/read-body.ts";
import { Assets } from "./assets.ts";
import { documentOf, type Frame } from "./document.ts";
import { loginView, problemView } from "./notices.ts";
import { PAGES } from "./pages/index.ts";
import { preferencesOf } from "./preferences.ts";
import type { View } from "./view/h.ts";
import { AskError, PAGE_ROOT, type Page, type PageName, problemIn } from "./view/page.ts";
import { serverWords, words } from "./view/words.ts";

export type PageMode = "off" | "read" | "on";

export interface PageParts {
  readonly access: Access;
  readonly mode: Exclude<PageMode, "off">;
  /** The executor's. */
  readonly name: () => string;
}

type Bindings = { Bindings: PeerBindings };
type Serve = (request: Request, bindings: PeerBindings) => Promise<Response>;

/** Nothing but what this executor serves, and nothing written into the page, is run or shown. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** In bytes: a token, in a form. */
const LOGIN_BODY_LIMIT = 4 * 1024;

/** @param serve - the application itself, of which the page asks the API. */
export function createPage(parts: PageParts, serve: Serve): Hono<Bindings> {
  const { access, mode, name } = parts;
  const { sessions } = access;
  const assets = new Assets();
  const reads = (context: Context<Bindings>): boolean => access.caller(context) !== null;

  const frameOf = async (context: Context<Bindings>, shown: PageName | null): Promise<Frame> => {
    const caller = access.caller(context);
    const changer = mode === "on" ? caller : null;
    return {
      page: shown,
      assets: await assets.names(),
      // Whoever has not signed in is told nothing of it.
      executor: caller === null ? "" : name(),
      role: changer?.role ?? "read",
      may: changer === null ? [] : mayChange(changer),
      hasSession: access.isGuarded && caller !== null,
      ...preferencesOf(context.req.header("cookie") ?? ""),
      url: new URL(context.req.url),
    };
  };

  const answer = async (context: Context<Bindings>, view: View, status: 200 | 401 | 404 | 503, title: string) => {
    const frame = await frameOf(context, null);
    return html(context, documentOf(frame, { title, view, data: null, now: Date.now() }), status);
  };

  const show = (page: Page) => {
    return async (context: Context<Bindings>): Promise<Response> => {
      if (!reads(context)) return answer(context, loginView(pathOf(context), false), 401, serverWords.login.title);
      try {
        const frame = await frameOf(context, page.name);
        const data = await page.load((path) => ask(context, path, serve), frame.url);
        const now = Date.now();
        const around = { now, zone: frame.zone, may: frame.may, path: frame.url.pathname, search: frame.url.search };
        return html(
          context,
          documentOf(frame, { title: page.title(data), view: page.view(data, around), data, now }),
          200,
        );
      } catch (error) {
        if (!(error instanceof AskError)) throw error;
        const status = error.status === 404 ? 404 : 503;
        return answer(context, problemView(error.message, error.status), status, serverWords.problems.title);
      }
    };
  };

  const app = new Hono<Bindings>();
  app.get("/assets/:name", async (context) => {
    return (await assets.answer(context, context.req.param("name"))) ?? context.notFound();
  });
  app.post("/login", async (context) => {
    if (!access.isGuarded) return context.redirect(PAGE_ROOT, 303);
    try {
      checkOrigin(context);
      const form = new URLSearchParams(await readBody(context, LOGIN_BODY_LIMIT));
      const next = nextPath(form.get("next") ?? "");
      const shown = access.typed(context, form.get("token")?.trim() ?? "");
      if (shown.kind === "slowed") throw slowed(shown.retryMs);
      if (shown.kind !== "known") return await answer(context, loginView(next, true), 401, serverWords.login.title);
      context.header("Set-Cookie", sessions.begin(shown.caller, hostOf(context), isTls(context)));
      return context.redirect(next, 303);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return context.json({ error: { code: error.code, message: error.message } }, error.status, { ...error.headers });
    }
  });
  app.post("/logout", (context) => {
    if (access.isGuarded) {
      const cookies = context.req.header("cookie") ?? "";
      context.header("Set-Cookie", sessions.end(hostOf(context), cookies, isTls(context)));
    }
    return context.redirect(PAGE_ROOT, 303);
  });
  for (const [path, page] of Object.entries(PAGES)) app.get(path, show(page));
  app.get("*", async (context) => {
    const { pathname } = new URL(context.req.url);
    if (/[^/]\/$/.test(pathname)) return context.redirect(pathname.slice(0, -1), 301);
    if (!reads(context)) return answer(context, loginView(PAGE_ROOT, false), 401, serverWords.login.title);
    return answer(context, problemView(words.problems.notFound, 404), 404, words.problems.notFound);
  });
  return app;
}

function html(context: Context, text: string, status: 200 | 401 | 404 | 503): Response {
  return context.body(text, status, { "Content-Type": "text/html; charset=UTF-8", "Content-Security-Policy": POLICY });
}

/** What says that a page of another site led here, which may be looked at, but not asked for by that page. */
const OF_THE_PAGE = /^(sec-fetch-.*|origin|referer|content-.*|accept.*|if-.*|range)$/;

/** Asks the application as whoever looks would: with the same headers, from the same address. */
async function ask(context: Context<Bindings>, path: string, serve: Serve): Promise<string> {
  const headers = new Headers(context.req.raw.headers);
  for (const name of [...headers.keys()]) if (OF_THE_PAGE.test(name)) headers.delete(name);
  const response = await serve(new Request(new URL(path, context.req.url), { headers }), {
    ...context.env,
    isInner: true,
  });
  const text = await response.text();
  if (response.ok) return text;
  throw new AskError(response.status, problemIn(text) ?? `HTTP ${response.status}`);
}

function pathOf(context: Context): string {
  const { pathname, search } = new URL(context.req.url);
  return `${pathname}${search}`;
}

/** Where to go after the login: nowhere but on this page. */
function nextPath(path: string): string {
  return /^\/ui(?:[/?][^\\]*)?$/.test(path) && !path.startsWith(`${PAGE_ROOT}/log`) ? path : PAGE_ROOT;
}

function isTls(context: Context): boolean {
  return context.req.header("x-forwarded-proto") === "https" || context.req.url.startsWith("https:");
}

/**
 * What an executor tells over HTTP: its status, its health and its live tree, all read from memory, so that it answers
 * at once while the broker is away. What may be asked of the tasks is api/. Every mistake is
 * answered in JSON that says what is there instead, and no answer shows a stack. Listening is serve-http.ts.
 */
import { getLogger } from "@logtape/logtape";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { type TreeNode, treeText } from "../concurrency/index.ts";
import type { StatusSource } from "../executor/status/status.ts";
import { METRICS_TYPE } from "../metrics/series.ts";
import { printableJson } from "../task/text/printable-json.ts";
import { API_ROOT, createApi } from "./api/api.ts";
import { Access, type PeerBindings } from "./api/guard/access.ts";
import { PATHS_BESIDE } from "./api/guard/roles.ts";
import type { ApiParts } from "./api/parts.ts";
import { countRequests } from "./count-requests.ts";
import { hostCheck, type Listener } from "./host-check.ts";
import { limitedStatus } from "./limited-status.ts";
import { allowedMethods, withLength } from "./methods.ts";
import { createPage, type PageMode } from "./page/page.ts";
import { PAGE_ROOT } from "./page/view/page.ts";
import { publicStatus } from "./public-status.ts";
import { securityHeaders } from "./security-headers.ts";
import { soundPath, soundRequest } from "./sound-request.ts";
import { treeView } from "./tree-view.ts";

const PATHS = {
  "/": "this list",
  "/status": "what this executor is, does and has done, as JSON",
  "/status/tree": "the live tree of nurseries and tasks, down into the runners; ?format=text for reading",
  "/metrics": "what this process counts, for Prometheus",
  "/metrics/broker": "what the broker holds, the same from every executor",
  "/healthz": "200 while the process lives",
  "/readyz": "200 while tasks are claimed, else 503 and the reason",
} as const;

const WITH_API = {
  ...PATHS,
  [`${API_ROOT}/openapi.json`]: "the API: enqueue, list, watch, cancel, retry, purge, pause, schedules",
};

const PAGE_PATH = { [PAGE_ROOT]: "the page for people: what waits, runs and fails" };

export interface AppOptions {
  /** What is listened on; decides which Host headers are answered, and who may change anything. Default 127.0.0.1. */
  readonly listener?: Listener;
  /** What the API stands on; without it there is none. */
  readonly api?: ApiParts;
  /**
   * False: /status and /metrics are told only to this machine, and to whoever sends the token. Default: to everybody.
   */
  readonly openStatus?: boolean;
  /** Whether there is a page for people, and whether it offers changes; it needs the API. Default: off. */
  readonly page?: PageMode;
}

/** The application; give its `fetch` to a server, or ask it with `request` in a test. */
export function createApp(source: StatusSource, options: AppOptions = {}): Hono<{ Bindings: PeerBindings }> {
  const app = new Hono<{ Bindings: PeerBindings }>({ getPath: soundPath });
  const listener = options.listener ?? { hostname: "127.0.0.1", address: "127.0.0.1" };
  const access = new Access(options.api ?? { token: null }, listener);
  const { page = "off" } = options;
  const hasPage = options.api !== undefined && page !== "off";
  const paths = { ...(options.api ? WITH_API : PATHS), ...(hasPage ? PAGE_PATH : {}) };
  const guard: MiddlewareHandler<{ Bindings: PeerBindings }> = async (context, next) => {
    if (options.openStatus !== false || seesAll(context, access)) return next();
    const known = access.known(context);
    // Of their own queues they are told in /status, of the whole nowhere.
    if (known !== null && context.req.path === "/status") return next();
    const who = "this is told only to this machine, and to whoever sends Authorization: Bearer TOKEN (open_status = 0)";
    if (known === null) return context.json({ error: who }, 401, { "WWW-Authenticate": 'Bearer realm="taskexe"' });
    return context.json({ error: `${context.req.path} is of the whole, and the token is limited to queues` }, 403);
  };

  app.use(countRequests(source.metrics.counts));
  app.use(securityHeaders);
  app.use(withLength);
  app.use(soundRequest);
  app.use(hostCheck(listener));
  app.use(allowedMethods(app, refuseMethod));

  app.get("/", (context) => text(context, index(paths)));
  for (const [path, need] of Object.entries(PATHS_BESIDE)) if (need === "status") app.use(path, guard);
  app.get("/status", async (context) => {
    await source.look();
    const status = source.status();
    const { queues = null } = access.known(context) ?? {};
    if (queues !== null) return json(context, limitedStatus(status, queues, source.metrics.counts.tasks.pairs()));
    return json(context, seesAll(context, access) ? status : publicStatus(status));
  });
  app.get("/status/tree", async (context) => {
    const tree = await source.tree();
    const isLimited = (access.known(context)?.queues ?? null) !== null;
    // What lives in it has the names of all tasks.
    return showTree(context, isLimited ? { ...tree, children: [] } : tree);
  });
  app.get("/metrics", (context) => text(context, source.metrics.text(), METRICS_TYPE));
  app.get("/metrics/broker", async (context) => {
    await source.look();
    const told = source.metrics.ofBroker();
    if (told !== null) return text(context, told, METRICS_TYPE);
    return context.json({ error: "the broker is away: there is nothing that could be told as of now" }, 503);
  });
  app.get("/healthz", (context) => context.json({ ok: true }));
  app.get("/readyz", (context) => {
    const readiness = source.readiness();
    return context.json(readiness, readiness.ready ? 200 : 503);
  });

  if (options.api) app.route(API_ROOT, createApi(options.api, listener, access));
  if (options.api && page !== "off") {
    const parts = { access, mode: page, name: () => source.status().name };
    app.route(
      PAGE_ROOT,
      createPage(parts, async (request, bindings) => app.fetch(request, bindings)),
    );
  }

  app.notFound((context) => {
    const message = `there is no ${context.req.path.slice(0, 200)}`;
    if (isApi(context)) return context.json({ error: { code: "not_found", message } }, 404);
    return context.json({ error: message, paths: Object.keys(paths) }, 404);
  });
  app.onError((error, context) => {
    // The client learns that it failed; why is for whoever reads the log.
    getLogger(["taskexe", "http"]).error("{method} {path} failed: {error}", {
      method: context.req.method,
      path: context.req.path,
      error,
    });
    return context.json({ error: "internal error; the log of this executor has the details" }, 500);
  });
  return app;
}

/** Who may see what tasks say in /status: this machine, and whoever has a token that is not limited to queues. */
function seesAll(context: Context<{ Bindings: PeerBindings }>, access: Access): boolean {
  const known = access.known(context);
  return known === null ? access.foreignness(context) === null : known.queues === null;
}

function showTree(context: Context, tree: TreeNode): Response {
  const format = context.req.query("format") ?? "json";
  switch (format) {
    case "json":
      return json(context, treeView(tree), 0);
    case "text":
      return text(context, treeText(tree));
    default:
      return context.json({ error: `format must be json or text, got ${JSON.stringify(format.slice(0, 60))}` }, 400);
  }
}

function refuseMethod(context: Context, allowed: string): Response {
  const message = `${context.req.path.slice(0, 200)} takes ${allowed}, not ${context.req.method}`;
  return context.json({ error: isApi(context) ? { code: "method_not_allowed", message } : message }, 405);
}

function isApi(context: Context): boolean {
  return /^\/api(\/|$)/.test(context.req.path);
}

/**
 * Harmless on the terminal of people with curl, and indented for them, but for the tree: deep as it may be, indenting
 * would make it grow with its square.
 */
function json(context: Context, value: unknown, indent = 2): Response {
  return context.body(`${printableJson(value, indent)}\n`, 200, { "Content-Type": "application/json" });
}

/** Names the type: where middleware touches the headers, Hono's own `text` can lose it. */
function text(context: Context, body: string, type = "text/plain; charset=UTF-8"): Response {
  return context.body(body, 200, { "Content-Type": type });
}

function index(paths: Readonly<Record<string, string>>): string {
  const lines = Object.entries(paths).map(([path, what]) => `${path.padEnd(22)}${what}\n`);
  return `taskexe\n\n${lines.join("")}`;
}

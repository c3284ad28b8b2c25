/**
 * @long about two minutes: the page in a real Chromium: each one in light and dark, on a desk and in a hand, as people
 * with and without sight and with a keyboard meet it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { axeFindings, BrowserStage, LOOKS } from "../../stage/browser.ts";
import { buildPage } from "../../stage/executable.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const DESK = { width: 1280, theme: "light" } as const;
/** For a whole browser on a machine with much else to do. */
const PATIENT = { timeout: 600_000 };

/** An id as nobody would choose it who means well. */
const HOSTILE = '<img src=x onerror=alert(1)>/../"\u202etxt.exe';
/** Longer than anything is shown. */
const LONG = `<script>alert(1)</script>\u001b[31m${"x".repeat(1_000_000)}`;

let stage: Stage;
let executor: ExecutorProcess;
let browser: BrowserStage;

before(async () => {
  await buildPage();
  stage = Stage.make();
  executor = await stage.executor({ name: "seen", concurrency: 4 });
  await feed();
  browser = await BrowserStage.open();
}, PATIENT);

after(async () => {
  await browser?.end();
  await stage.end();
}, PATIENT);

async function api(method: string, path: string, body?: unknown): Promise<ReturnType<typeof JSON.parse>> {
  const headers = { "content-type": "application/json" };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${executor.url}/api/v1/${path}`, { method, headers, ...sent });
  const answer = JSON.parse(await response.text());
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}

/** What the pages show: tasks in every state, a queue that nobody serves, a schedule. */
async function feed(): Promise<void> {
  const failing = Array.from({ length: 3 }, (_, n) => ({ type: "fail", id: `dead-${n}`, attempts: 1, payload: { n } }));
  const done = Array.from({ length: 12 }, (_, n) => ({ type: "echo", id: `done-${n}`, payload: { n, big: 1 } }));
  const hostile = [
    { type: "fail", id: HOSTILE, attempts: 1, payload: { [HOSTILE]: LONG } },
    { type: "<b>bold</b>", id: "no-handler", queue: "lonely", payload: HOSTILE },
  ];
  const later = [{ type: "noop", id: "later", delay_ms: 3_600_000, payload: null }];
  const runs = [{ type: "sleep", id: "runs", payload: { ms: 3_600_000 } }];
  await api("POST", "tasks", { tasks: [...failing, ...done, ...hostile, ...later, ...runs] });
  await api("PUT", "schedules/nightly", { cron: "0 3 * * *", type: "noop", timezone: "Europe/Berlin", payload: {} });
  await until("all have ended that can", 120_000, async () => {
    const { queues } = await api("GET", "queues");
    return queues[0].dead === 4 && queues[0].done === 12 && queues[0].running === 1;
  });
}

const PATHS = [
  ...["/ui", "/ui/tasks", "/ui/tasks?q=state:dead+fail", "/ui/tasks/runs", "/ui/tasks/dead-0", "/ui/queues"],
  ...["/ui/types", "/ui/types?type=echo", "/ui/executors", "/ui/schedules", "/ui/dead"],
  `/ui/tasks/${encodeURIComponent(HOSTILE)}`,
];

async function visit(page: Page, path: string): Promise<void> {
  await page.goto(`${executor.url}${path}`, { waitUntil: "load" });
  await page.waitForSelector("html.js");
}

for (const look of LOOKS) {
  test(
    `every page at ${look.width}, ${look.theme}: no error, no request to others, nothing for axe`,
    PATIENT,
    async () => {
      await browser.look(executor.url, look, async (page) => {
        for (const path of PATHS) {
          await visit(page, path);
          assert.deepEqual(await axeFindings(page), [], path);
          const [shown, wide] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
          assert.ok((wide ?? 0) <= (shown ?? 0), `${path} is ${wide} wide on ${shown}`);
        }
      });
    },
  );
}

test("without JavaScript all of it can be read, and nothing stands there that would do nothing", PATIENT, async () => {
  await browser.look(executor.url, { ...DESK, script: false }, async (page) => {
    for (const path of PATHS) {
      await page.goto(`${executor.url}${path}`);
      assert.ok(((await page.locator("main").textContent()) ?? "").length > 20, path);
      assert.equal(await page.locator("main [data-do]:visible, main [data-pick]:visible, #theme:visible").count(), 0);
    }
    await page.goto(`${executor.url}/ui/tasks`);
    await page.fill("#search", "state:dead id:dead-*");
    await page.press("#search", "Enter");
    assert.equal(await page.locator("tbody tr").count(), 3);
  });
});

test("what tasks say is text, whatever it says", PATIENT, async () => {
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, `/ui/tasks/${encodeURIComponent(HOSTILE)}`);
    const text = (await page.locator("main").textContent()) ?? "";
    assert.ok(text.includes("<img src=x onerror=alert(1)>"), "it is there");
    assert.ok(text.includes("\\u202e"), "what turns text round is written out");
    assert.ok(!text.includes("\u202e") && !text.includes("\u001b"));
    assert.equal(await page.locator("main img, main script, main b").count(), 0);
    assert.ok(text.length < 100_000, `of a payload of a million characters ${text.length} are there`);
    await visit(page, "/ui/tasks?q=queue:lonely");
    assert.ok(((await page.locator("main").textContent()) ?? "").includes("<b>bold</b>"));
  });
});

test("the policy is in force: what was written into the page does not run", PATIENT, async () => {
  const put = async (page: Page) => {
    await visit(page, "/ui");
    return page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "document.documentElement.dataset.ran = 'yes'";
      document.body.append(script);
      return document.documentElement.dataset.ran ?? "no";
    });
  };
  assert.equal(await browser.look(executor.url, DESK, put, { mayFail: true }), "no");
});

test("a theme that was chosen stays chosen", PATIENT, async () => {
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui");
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await paper();
    await page.selectOption("#theme", "dark");
    assert.notEqual(await paper(), light);
    await visit(page, "/ui/dead");
    assert.notEqual(await paper(), light);
    assert.equal(await page.locator("#theme").inputValue(), "dark");
  });
});

test("the keyboard goes everywhere: pages, rows, search, the palette, the list of keys", PATIENT, async () => {
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui");
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await page.waitForURL("**/ui/tasks");
    await page.waitForSelector("html.js");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "search");
    await page.keyboard.type("id:dead-* state:dead");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ui/tasks?q=id*");
    await page.waitForSelector("html.js");

    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    await page.locator("#bulk", { hasText: "1 selected" }).waitFor();
    await page.keyboard.press("k");
    await page.keyboard.press("x");
    await page.locator("#bulk", { hasText: "2 selected" }).waitFor();
    const second = await page.locator("tr[data-current]").getAttribute("data-row");
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/ui/tasks/${second}`);
    await page.waitForSelector("html.js");

    await page.keyboard.press("?");
    await page.locator("dialog.help").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("dialog.help").waitFor({ state: "detached" });

    await page.keyboard.press("Control+k");
    await page.keyboard.type("exec");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ui/executors");
  });
});

test("a running task is cancelled from its page, and the page shows it", PATIENT, async () => {
  await api("POST", "tasks", { type: "sleep", id: "to-cancel", payload: { ms: 3_600_000 } });
  await until("it runs", 60_000, async () => (await api("GET", "tasks/to-cancel")).state === "running");
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui/tasks/to-cancel");
    await page.click('[data-do="cancel"]');
    await page.locator("#told", { hasText: "Cancelled: 1 of 1 task" }).waitFor({ state: "attached" });
    await page.locator("h1 + .state", { hasText: "cancelled" }).waitFor();
    assert.equal((await api("GET", "tasks/to-cancel")).state, "cancelled");
    await page.locator('#lamp[data-state="still"]', { hasText: "it has ended" }).waitFor();
  });
});

test("a page follows its task: the state and the lamp, and the focus stays where it is", PATIENT, async () => {
  await api("POST", "tasks", { type: "noop", id: "followed", delay_ms: 3_600_000, payload: null });
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui/tasks/followed");
    await page.locator('#lamp[data-state="live"]').waitFor();
    await page.locator("main a", { hasText: "As JSON" }).focus();
    await api("POST", "tasks/followed/cancel", {});
    await page.locator("h1 + .state", { hasText: "cancelled" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "As JSON");
  });
});

test("while an executor is away its page says so, and comes back by itself", PATIENT, async () => {
  const folder = stage.path("going");
  const first = await stage.executor({ folder, name: "going" });
  const { port } = first;
  const send = async (path: string) => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json();
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ type: "noop", id: "waits", delay_ms: 3_600_000, payload: null });
  await fetch(`http://127.0.0.1:${port}/api/v1/tasks`, { method: "POST", headers, body });
  await browser.look(
    `http://127.0.0.1:${port}`,
    DESK,
    async (page) => {
      await page.goto(`http://127.0.0.1:${port}/ui/tasks/waits`);
      await page.locator('#lamp[data-state="live"]').waitFor();
      first.kill("SIGKILL");
      await first.ended;
      await page.locator('#lamp[data-state="away"]', { hasText: "executor away" }).waitFor();
      await stage.executor({ folder, name: "going", args: ["--listen", `127.0.0.1:${port}`] });
      await page.locator('#lamp[data-state="live"]').waitFor();
      assert.equal((await send("tasks/waits")).state, "scheduled");
    },
    // The browser itself tells of the connection that broke.
    { mayFail: true },
  );
});

test("all that match are counted first, and above a hundred the number is typed", PATIENT, async () => {
  const many = Array.from({ length: 120 }, (_, n) => ({
    type: "noop",
    id: `bulk-${n}`,
    delay_ms: 3_600_000,
    payload: n,
  }));
  await api("POST", "tasks", { tasks: many });
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, `/ui/tasks?q=${encodeURIComponent("state:scheduled id:bulk-*")}`);
    await page.locator("[data-pick]").first().check();
    await page.locator("#bulk button", { hasText: "Select all that match" }).click();
    await page.locator("#bulk button", { hasText: "Cancel" }).click();
    const dialog = page.locator("dialog.ask");
    await dialog.locator("h2", { hasText: "Cancel 120 tasks?" }).waitFor();
    assert.deepEqual(await axeFindings(page), []);
    const yes = dialog.locator("button", { hasText: "Cancel 120" });
    assert.ok(await yes.isDisabled());
    await dialog.locator("input").fill("120");
    await yes.click();
    await page.locator("#told", { hasText: "Cancelled: 120 of 120 tasks" }).waitFor({ state: "attached" });
    await page.locator("main", { hasText: "No task matches." }).waitFor();
  });
});

test("a group of dead tasks is retried as one", PATIENT, async () => {
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui/dead");
    const row = page.locator("tbody tr", { hasText: "fail" }).first();
    await row.locator('[data-do="retry"]').click();
    await page.locator("dialog.ask button", { hasText: "Retry" }).click();
    await page.locator("#told", { hasText: "Queued again: 4 of 4 tasks" }).waitFor({ state: "attached" });
    await until("they are dead once more", 120_000, async () => (await api("GET", "queues")).queues[0].dead === 4);
  });
});

test("a task is enqueued by a form, and a mistake in it is told", PATIENT, async () => {
  await browser.look(
    executor.url,
    DESK,
    async (page) => {
      await visit(page, "/ui/types?type=echo");
      await page.fill('textarea[name="json"]', "{no json");
      await page.click('form[data-enqueue] button[type="submit"]');
      await page.locator(".problem", { hasText: "expected JSON" }).waitFor();
      await page.fill('textarea[name="json"]', '{"from":"a form"}');
      await page.click('form[data-enqueue] button[type="submit"]');
      await page.waitForURL("**/ui/tasks/*");
      await page.locator("main", { hasText: "a form" }).waitFor();
    },
    { mayFail: true },
  );
});

test("a task is run now, and one executor is made quiet and goes on, by their buttons", PATIENT, async () => {
  await api("POST", "tasks", { type: "noop", id: "now", delay_ms: 3_600_000, payload: null });
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui/tasks/now");
    await page.locator('[data-do="promote"]').click();
    await until("it has run", 60_000, async () => (await api("GET", "tasks/now")).state === "done");
    await visit(page, "/ui/executors");
    await page.locator('[data-do="quiet"]').click();
    await page.locator(".chip", { hasText: "quiet" }).waitFor();
    await page.locator('[data-do="resume"]').click();
    await page.locator('[data-do="quiet"]').waitFor();
    await page.locator('[data-do="drain"]').click();
    await page.locator("dialog.ask button", { hasText: "No" }).click();
    assert.equal((await executor.status()).state, "running", "it was asked before");
  });
});

test("a queue is paused and goes on, from its row", PATIENT, async () => {
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui/queues");
    const row = page.locator("tr", { hasText: "lonely" });
    await row.locator('[data-do="pause"]').click();
    await page.locator("dialog.ask button", { hasText: "Pause" }).click();
    await row.locator(".chip", { hasText: "paused" }).waitFor();
    await row.locator('[data-do="resume"]').click();
    await row.locator('[data-do="pause"]').waitFor();
    assert.deepEqual((await api("GET", "queues")).paused.queues, []);
  });
});

test("a query that cannot be read says why, in its place", PATIENT, async () => {
  await browser.look(executor.url, DESK, async (page) => {
    await visit(page, "/ui/tasks?q=state%3Agone");
    await page.locator("[role=alert]", { hasText: "state" }).waitFor();
    assert.equal(await page.locator("#search").inputValue(), "state:gone");
  });
});

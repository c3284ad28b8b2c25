/**
 * @long about a minute: what the overview tells of the past: in the HTML of a real executor, and in a real Chromium,
 * where it goes on live.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeFindings, BrowserStage, LOOKS } from "../../stage/browser.ts";
import { buildPage } from "../../stage/executable.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

/** For a whole browser on a machine with much else to do. */
const PATIENT = { timeout: 600_000 };
const DESK = { width: 1280, theme: "light" } as const;
const RANGES = { "15m": "15 min", "1h": "1 h", "24h": "24 h", "7d": "7 d" };

let stage: Stage;
let executor: ExecutorProcess;
let browser: BrowserStage;

before(async () => {
  await buildPage();
  stage = Stage.make();
  executor = await stage.executor({ name: "looks-back", concurrency: 4 });
  browser = await BrowserStage.open();
  const echo = Array.from({ length: 5 }, (_, n) => ({ type: "echo", id: `done-${n}`, payload: n }));
  const fail = Array.from({ length: 2 }, (_, n) => ({ type: "fail", id: `dead-${n}`, attempts: 1, payload: { n } }));
  const waits = ["lonely", "watched"].map((queue) => ({ type: "echo", id: `waits-${queue}`, queue, payload: null }));
  await enqueue(...echo, ...fail, ...waits);
  const sum = (counts: readonly number[]) => counts.reduce((all, each) => all + each, 0);
  await until("the history knows of all", 120_000, async () => {
    const { outcomes, queues } = JSON.parse((await executor.get("/api/v1/history?range=1h")).body);
    const waiting = queues.filter((queue: { waiting: readonly number[] }) => queue.waiting.at(-1) === 1);
    return sum(outcomes.done) === 5 && sum(outcomes.dead) === 2 && waiting.length === 2;
  });
}, PATIENT);

after(async () => {
  await browser?.end();
  await stage.end();
}, PATIENT);

async function enqueue(...tasks: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ tasks });
  const response = await fetch(`${executor.url}/api/v1/tasks`, { method: "POST", headers, body });
  assert.ok(response.ok, await response.text());
}

/** The table with this caption in the HTML: what its cells say, row by row, the heads first. */
function tableOf(html: string, caption: string): string[][] {
  const begin = html.indexOf(`>${caption}`);
  assert.ok(begin >= 0, `a table ${caption}`);
  const rows = html.slice(begin, html.indexOf("</table>", begin)).matchAll(/<tr[^>]*>(.*?)<\/tr>/g);
  return [...rows].map(([, row = ""]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell = ""]) => cell.replace(/<[^>]+>/g, "")),
  );
}

for (const [range, word] of Object.entries(RANGES)) {
  test(`the HTML of ?range=${range} tells what was: ends, times, what waited, what failed`, PATIENT, async () => {
    const { code, body } = await executor.get(`/ui?range=${range}`);
    assert.equal(code, 200, body);
    assert.match(body, new RegExp(`href="/ui\\?range=${range}" aria-current="true">${word}<`));
    assert.equal(body.match(/aria-current="true"/g)?.length, 2, "one range, and all queues");
    assert.match(body, /Known since [\d:]+: this executor keeps it in memory, and a restart loses it/);

    const [heads = [], ...ends] = tableOf(body, "Ended: all of each");
    assert.deepEqual(heads, ["Time", "done", "failed and tried again", "dead", "cancelled", "lost"]);
    const total = (at: number) => ends.reduce((sum, row) => sum + Number(row[at]), 0);
    assert.deepEqual([1, 2, 3, 4, 5].map(total), [5, 0, 2, 0, 0]);
    assert.ok(ends.length < 5, `${ends.length} rows: of before the executor began nothing is told`);
    for (const title of ["How long attempts ran", "How long tasks waited"]) {
      const [names = [], ...rows] = tableOf(body, `${title}: the most of each`);
      assert.deepEqual(names, ["Time", "p50", "p95", "p99"]);
      assert.ok(
        rows.some(([, ...cells]) => cells.every((cell) => /^[\d. \u202f]+(ms|s|m)/.test(cell))),
        JSON.stringify(rows),
      );
    }
    const [queues = [], newest = []] = tableOf(body, "Waiting: the most of each");
    assert.equal(newest[queues.indexOf("lonely")], "1");
    assert.deepEqual(tableOf(body, "Types that fail most").slice(1), [["fail", "2", "2", "100.0\u202f%"]]);
    const waited = tableOf(body, "Oldest waiting").slice(1);
    assert.deepEqual(waited.map(([queue]) => queue).sort(), ["lonely", "watched"]);
  });
}

test("a range that is none is the first one, and one queue is told alone, without how long attempts ran", async () => {
  const { body } = await executor.get("/ui?range=2h");
  assert.match(body, /href="\/ui\?range=15m" aria-current="true"/);
  const { code, body: ofOne } = await executor.get("/ui?range=1h&queue=lonely");
  assert.equal(code, 200, ofOne);
  assert.match(ofOne, /href="\/ui\?range=1h&amp;queue=lonely" aria-current="true">lonely</);
  assert.match(ofOne, /counted by type, not by queue/);
  assert.deepEqual(tableOf(ofOne, "Waiting: the most of each")[0], ["Time", "lonely"]);
});

test("a fresh page draws the past, goes on live, and the choice of a range is its address", PATIENT, async () => {
  await browser.look(executor.url, DESK, async (page) => {
    await page.goto(`${executor.url}/ui?range=1h`);
    await page.waitForSelector("html.js");
    for (const name of ["flow", "waiting", "run", "wait"]) {
      await page.locator(`figure[data-chart="${name}"] canvas`).waitFor();
    }
    const panel = page.locator("section", { has: page.locator('figure[data-chart="waiting"]') });
    const over = panel.locator(".u-over");
    const pointAtNow = async () => {
      await over.scrollIntoViewIfNeeded();
      const box = await over.boundingBox();
      assert.ok(box);
      await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2);
    };
    await pointAtNow();
    const line = panel.locator(".u-series", { hasText: "watched" });
    await line.locator(".u-value", { hasText: /^1$/ }).waitFor();

    await panel.locator("summary").click();
    const newest = panel.locator("details tbody tr").first();
    const column = (await panel.locator("details thead th").allTextContents()).indexOf("watched");
    assert.equal(await newest.locator("> *").nth(column).textContent(), "1");
    await enqueue({ type: "echo", id: "waits-too", queue: "watched", payload: null });
    await newest.locator("> *").nth(column).filter({ hasText: /^2$/ }).waitFor();
    await pointAtNow();
    await line.locator(".u-value", { hasText: /^2$/ }).waitFor();
    assert.ok(await newest.isVisible(), "the table stays open");

    await page.locator("main a", { hasText: /^24 h$/ }).click();
    await page.waitForURL("**/ui?range=24h");
    await page.waitForSelector("html.js");
    assert.equal(await page.locator('main a[aria-current="true"]').first().textContent(), "24 h");
    await page.locator('figure[data-chart="flow"] canvas').waitFor();
  });
});

test("without JavaScript the ranges are links, and the tables open", PATIENT, async () => {
  await browser.look(executor.url, { ...DESK, script: false }, async (page) => {
    await page.goto(`${executor.url}/ui`);
    await page.locator("main a", { hasText: /^7 d$/ }).click();
    await page.waitForURL("**/ui?range=7d");
    assert.equal(await page.locator("figure:visible").count(), 0, "no chart is drawn, so none has a place");
    for (const summary of await page.locator("main summary").all()) await summary.click();
    assert.equal(await page.locator("details.behind table:visible").count(), 4);
  });
});

for (const look of LOOKS) {
  test(`with all tables open at ${look.width}, ${look.theme}: nothing for axe, nothing too wide`, PATIENT, async () => {
    await browser.look(executor.url, look, async (page) => {
      await page.goto(`${executor.url}/ui?range=1h`);
      await page.locator('figure[data-chart="wait"] canvas').waitFor();
      for (const summary of await page.locator("details.behind > summary").all()) await summary.click();
      assert.deepEqual(await axeFindings(page), []);
      const [shown, wide] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
      assert.ok((wide ?? 0) <= (shown ?? 0), `${wide} wide on ${shown}`);
    });
  });
}

test("what was deployed and what drains is told, where the fleet has told it", PATIENT, async () => {
  const second = await stage.executor({ name: "came-later", concurrency: 1 });
  await until("the first has seen it", 120_000, async () =>
    /came-later began: version/.test((await executor.get("/ui")).body),
  );
  second.kill("SIGTERM");
  await second.ended;
});

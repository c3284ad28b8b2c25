/**
 * A real Chromium for the tests of the page, without a window: one for a whole file. Each look at a page is a context
 * of its own, which notes whatever should not be: errors on the console, requests to others, policies that were broken.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { ROOT } from "./command.ts";

/** How long anything in the browser may take, on a machine with much else to do. */
export const BROWSER_LIMIT_MS = 60_000;

export interface Look {
  readonly width: 1280 | 390;
  readonly theme: "light" | "dark";
}

export const LOOKS: readonly Look[] = [
  { width: 1280, theme: "light" },
  { width: 1280, theme: "dark" },
  { width: 390, theme: "light" },
  { width: 390, theme: "dark" },
];

export class BrowserStage {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async open(): Promise<BrowserStage> {
    const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-gpu"];
    return new BrowserStage(await chromium.launch({ executablePath: found(), args, timeout: BROWSER_LIMIT_MS }));
  }

  /**
   * Gives a page to `use`, and fails where the page has complained or asked others.
   *
   * @param origin - of the executor: `http://127.0.0.1:8080`.
   */
  async look<T>(
    origin: string,
    { width, theme, script = true }: Look & { readonly script?: boolean },
    use: (page: Page) => Promise<T>,
    { mayFail = false } = {},
  ): Promise<T> {
    const context = await this.#browser.newContext({
      viewport: { width, height: width === 390 ? 844 : 800 },
      colorScheme: theme,
      javaScriptEnabled: script,
      reducedMotion: "reduce",
    });
    try {
      context.setDefaultTimeout(BROWSER_LIMIT_MS);
      const page = await context.newPage();
      const wrong: string[] = [];
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) wrong.push(`console: ${message.text()}`);
      });
      page.on("pageerror", (error) => wrong.push(`error: ${error.stack ?? error.message}`));
      page.on("request", (request) => {
        const url = request.url();
        if (!url.startsWith(`${origin}/`) && !url.startsWith("data:")) wrong.push(`request: ${url}`);
      });
      const result = await use(page);
      if (!mayFail) assert.deepEqual(wrong, []);
      return result;
    } finally {
      await context.close();
    }
  }

  async end(): Promise<void> {
    await this.#browser.close();
  }
}

const AXE = readFileSync(join(ROOT, "node_modules/axe-core/axe.min.js"), "utf8");

/** What axe finds wrong on a page, each with where. The page's policy holds for scripts of the page, not for this. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: AxeViolation[] }> } };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.slice(0, 5).map(({ html, any, all }) => {
        const why = [...any, ...all].map(({ message }) => message).join("; ");
        return `${id}: ${help}: ${html.slice(0, 200)} ${why}`;
      }),
    );
  });
}

interface AxeViolation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly {
    readonly html: string;
    readonly any: readonly { readonly message: string }[];
    readonly all: readonly { readonly message: string }[];
  }[];
}

function found(): string {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const file = names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
  assert.ok(file, `the tests of the page need Chromium: none of ${names.join(", ")} is on the PATH`);
  return file;
}

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** A page is ready long before; a machine under load is slow. */
export const READY_MS_MAX = 30_000;

/** Debian's Chromium, quiet: it asks the network for nothing of its own. */
export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** One browser for the tests of a file. Call it inside `describe`. */
export function useBrowser(): () => Browser {
  let browser: Browser | undefined;
  before(async () => {
    browser = await launchBrowser();
  });
  after(async () => await browser?.close());
  return () => {
    if (browser === undefined) throw new Error("the browser is not there yet");
    return browser;
  };
}

/** A page of which everything is kept that it should not do. */
export class WatchedPage implements AsyncDisposable {
  readonly page: Page;
  /** Errors and refusals, those of the Content-Security-Policy included. */
  readonly complaints: string[] = [];
  /** What was asked for beside the page itself, blobs and data excepted. */
  readonly requests: string[] = [];
  readonly dialogs: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!/^(blob|data):/.test(request.url())) this.requests.push(request.url());
    });
    page.on("dialog", (dialog) => {
      this.dialogs.push(dialog.message());
      dialog.dismiss().catch(() => {});
    });
  }

  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<WatchedPage> {
    const context = await browser.newContext({
      viewport: { width: 1200, height: 800 },
      ...options,
    });
    const watched = new WatchedPage(await context.newPage());
    await watched.page.goto(url);
    return watched;
  }

  static openFile(
    browser: Browser,
    path: string,
    options: BrowserContextOptions & { hash?: string } = {},
  ): Promise<WatchedPage> {
    const { hash = "", ...rest } = options;
    return WatchedPage.open(browser, `${pathToFileURL(path).href}${hash}`, rest);
  }

  /** Waits for the first painted frame and returns what the root element says of the graph. */
  async ready(): Promise<Record<string, string | undefined>> {
    await this.page.waitForSelector("html[data-state=ready]", {
      state: "attached",
      timeout: READY_MS_MAX,
    });
    return await this.page.evaluate(() => ({ ...document.documentElement.dataset }));
  }

  /** What axe-core finds wrong, as sentences. */
  async accessibilityFaults(): Promise<string[]> {
    await this.page.evaluate(axeSource());
    return await this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: Axe };
      const { violations } = await axe.run(document);
      return violations.map(({ help, nodes }) => `${help}: ${nodes.map((node) => node.html)}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

interface Axe {
  run(root: unknown): Promise<{ violations: { help: string; nodes: { html: string }[] }[] }>;
}

function axeSource(): string {
  return readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
}

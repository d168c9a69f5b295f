import { readFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { deflateRawSync } from "node:zlib";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { FlameProfile } from "../../../src/profiles/flamegraph/columns.ts";
import { encodeFlameProfile } from "../../../src/profiles/flamegraph/encoding.ts";
import { packageRoot } from "../../../src/support/package-root.ts";
import { READY_MS_MAX } from "../browser.ts";

/** Height of a row of the graph in CSS pixels. */
const ROW = 20;

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
};

/** As strict as the page allows: no inline script or style, workers of its own only. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src data: blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'";

/** The built page with profiles, as a server hands it out. */
export class PageServer {
  readonly #server: Server;
  readonly #profiles: readonly Buffer[];

  private constructor(profiles: readonly FlameProfile[]) {
    this.#profiles = profiles.map((profile) => deflateRawSync(encodeFlameProfile(profile)));
    this.#server = createServer((request, response) => {
      this.#answer(request.url ?? "/", response).catch(() => response.writeHead(404).end());
    });
  }

  static async start(profiles: readonly FlameProfile[]): Promise<PageServer> {
    const server = new PageServer(profiles);
    const { promise, resolve } = Promise.withResolvers<void>();
    server.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  [Symbol.dispose](): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(url: string, response: ServerResponse): Promise<void> {
    response.setHeader("Content-Security-Policy", policy);
    const path = url.split("?")[0] === "/" ? "/index.html" : (url.split("?")[0] ?? "");
    if (path === "/profiles") {
      response.end(JSON.stringify(this.#profiles.map((_, at) => `profiles/${at}`)));
    } else if (path.startsWith("/profiles/")) {
      response.end(this.#profiles[Number(path.slice("/profiles/".length))]);
    } else {
      response.setHeader("Content-Type", types[extname(path)] ?? "");
      response.end(await readFile(join(packageRoot(), "build/web", path)));
    }
  }
}

/** A page with a graph, and what a person does to it. */
export class GraphPage {
  readonly page: Page;
  /** What the page complained of: errors, refused scripts. */
  readonly complaints: string[] = [];
  readonly #server: PageServer;
  readonly #browser: Browser;

  private constructor(page: Page, server: PageServer, browser: Browser) {
    this.page = page;
    this.#server = server;
    this.#browser = browser;
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
  }

  /** Opens profiles (two are a difference) and waits for the first painted frame. */
  static async open(
    browser: Browser,
    profiles: readonly FlameProfile[],
    options: BrowserContextOptions & { hash?: string; beforeScripts?: () => void } = {},
  ): Promise<GraphPage> {
    // A server that is left behind when opening fails keeps the whole test file from ending.
    using cleanup = new DisposableStack();
    const server = cleanup.use(await PageServer.start(profiles));
    const context = await browser.newContext({
      viewport: { width: 1000, height: 700 },
      ...options,
    });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    if (options.beforeScripts !== undefined) await context.addInitScript(options.beforeScripts);
    const graph = new GraphPage(await context.newPage(), server, browser);
    await graph.page.goto(`${server.url}#${options.hash ?? ""}`);
    if (profiles.length > 0) await graph.ready();
    cleanup.move();
    return graph;
  }

  /** The same address in a page of its own: what a link to it shows. */
  async reopened(): Promise<GraphPage> {
    const context = await this.#browser.newContext({ viewport: { width: 1000, height: 700 } });
    const graph = new GraphPage(await context.newPage(), this.#server, this.#browser);
    await graph.page.goto(this.page.url());
    await graph.ready();
    return graph;
  }

  async ready(): Promise<void> {
    try {
      await this.page.waitForSelector("html[data-state=ready]", {
        state: "attached",
        timeout: READY_MS_MAX,
      });
      await this.page.waitForFunction(
        () => !document.querySelector(".notice")?.textContent?.includes("Working"),
      );
    } catch (error) {
      throw new Error(`the page does not get ready: ${await this.#condition()}`, { cause: error });
    }
  }

  /** What the page says of itself when it does not go on. */
  async #condition(): Promise<string> {
    const told = await this.page.evaluate(() => ({
      ...document.documentElement.dataset,
      text: document.body.textContent.slice(0, 200),
      visibility: document.visibilityState,
    }));
    return JSON.stringify({ ...told, complaints: this.complaints });
  }

  /** What the root element says of the graph. */
  async report(): Promise<Record<string, string | undefined>> {
    return await this.page.evaluate(() => ({ ...document.documentElement.dataset }));
  }

  /** Clicks the frame of a level at a part of the graph's width, and waits till it has moved. */
  async clickFrame(level: number, part: number): Promise<void> {
    const place = await this.#place(level, part);
    await this.page.mouse.click(place.x, place.y);
    await this.settled();
  }

  async hoverFrame(level: number, part: number): Promise<void> {
    const place = await this.#place(level, part);
    await this.page.mouse.move(place.x, place.y);
  }

  async #place(level: number, part: number): Promise<{ x: number; y: number }> {
    const box = await this.canvas.boundingBox();
    if (box === null) throw new Error("the graph is not on the page");
    return { x: box.x + part * box.width, y: box.y + level * ROW + ROW / 2 };
  }

  /** Waits for the end of a zoom's movement. */
  async settled(): Promise<void> {
    await this.page.waitForTimeout(200);
    await this.painted();
  }

  /** Waits until what surrounds the graph shows what was done: it follows by a frame or two. */
  async painted(): Promise<void> {
    await this.page.evaluate(async () => {
      for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
      await new Promise((resolve) => setTimeout(resolve, 0));
    });
  }

  /** Does what leads to a search, and waits until the graph shows what it found. */
  async whileSearching(work: () => Promise<void>): Promise<string> {
    const count = (): number => performance.getEntriesByName("flamegraph-search").length;
    const before = await this.page.evaluate(count);
    await work();
    await this.page.waitForFunction(
      (searches) => performance.getEntriesByName("flamegraph-search").length > searches,
      before,
    );
    await this.painted();
    return (await this.page.locator("#found").textContent()) ?? "";
  }

  get canvas(): ReturnType<Page["locator"]> {
    return this.page.locator("#graph canvas");
  }

  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
    await this.painted();
  }

  /** Presses a key that makes another tree, and waits for that. */
  async pressForTree(key: string): Promise<void> {
    await this.press(key);
    await this.page.waitForTimeout(50);
    await this.ready();
  }

  async choose(label: string, option: string): Promise<void> {
    await this.page.getByRole("combobox", { name: label, exact: true }).selectOption(option);
    await this.page.waitForTimeout(50);
    await this.ready();
  }

  async clickButton(name: string): Promise<void> {
    await this.page.getByRole("button", { name, exact: true }).click();
    await this.page.waitForTimeout(50);
    await this.ready();
  }

  /** Name of the frame with the focus. */
  async selectedName(): Promise<string> {
    return (await this.page.locator(".details h2").textContent()) ?? "";
  }

  /** What the page says of the frame with the focus. */
  async details(): Promise<string> {
    return (await this.page.locator(".details p").textContent()) ?? "";
  }

  /** What a screen reader heard last of the graph. */
  async spoken(): Promise<string> {
    return (await this.page.locator("#graph [role=status]").textContent()) ?? "";
  }

  async breadcrumbs(): Promise<string[]> {
    return await this.page.locator(".breadcrumbs button").allTextContents();
  }

  async search(text: string): Promise<string> {
    return await this.whileSearching(
      async () => await this.page.getByLabel("Search by regular expression").fill(text),
    );
  }

  /** Texts of the table's rows, cells parted by spaces. */
  async rows(): Promise<string[]> {
    const rows = await this.page.locator(".table tbody tr").all();
    return await Promise.all(
      rows.map(async (row) => (await row.locator("th, td").allTextContents()).join(" ")),
    );
  }

  /** Walks down the widest frames from the root and returns their names, up to a repeated one. */
  async widestPath(): Promise<string[]> {
    await this.canvas.focus();
    await this.press("Home");
    const names = [await this.selectedName()];
    for (;;) {
      await this.press("ArrowDown");
      const name = await this.selectedName();
      if (name === names.at(-1)) return names;
      names.push(name);
    }
  }

  /** Colour of the canvas at a frame, as [red, green, blue]. */
  async colourAt(level: number, part: number): Promise<number[]> {
    return await this.page.evaluate(
      ([atLevel, atPart]) => {
        const canvas = document.querySelector<HTMLCanvasElement>("#graph canvas");
        const context = canvas?.getContext("2d");
        if (!canvas || !context) return [];
        const ratio = devicePixelRatio;
        const x = Math.round(atPart * canvas.width);
        return [...context.getImageData(x, (atLevel * 20 + 4) * ratio, 1, 1).data].slice(0, 3);
      },
      [level, part] as const,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
    this.#server[Symbol.dispose]();
  }
}

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import type { FlameProfile } from "../../src/profiles/flamegraph/columns.ts";
import { buildTree } from "../../src/profiles/flamegraph/tree.ts";
import { packageRoot } from "../../src/support/package-root.ts";

/** Milliseconds from the input to the end of the frame that shows what it did. */
export interface GraphTimes {
  readonly render: number;
  readonly zoom: number;
  readonly search: number;
}

/** What both peers are measured by: the event, and a message after the next painted frame. */
declare global {
  var timed: (work: () => void) => Promise<number>;
}

const TIMER = `globalThis.timed = async (work) => {
  const start = performance.now();
  work();
  await new Promise(requestAnimationFrame);
  await new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  });
  return performance.now() - start;
};`;

/** The largest tree takes speedscope half a minute. */
const RENDER_MS_MAX = 180_000;

const folder = join(packageRoot(), "build/bench-flamegraph");
const packages = ["d3-flame-graph@5.0.0", "d3-selection@3.0.0", "speedscope@1.25.0"];

/** Installs the peers beside the build; nothing of the program depends on them. */
export async function installPeers(): Promise<void> {
  if (existsSync(join(folder, "node_modules", D3_BUNDLE))) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"private":true}');
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", ["install", ...flags, ...packages], { cwd: folder, stdio: "inherit" });
  const entry = join(folder, "d3-entry.js");
  writeFileSync(entry, D3_ENTRY);
  await build({
    root: folder,
    configFile: false,
    logLevel: "warn",
    build: {
      outDir: join(folder, "node_modules"),
      emptyOutDir: false,
      lib: { entry, formats: ["iife"], name: "peer", fileName: () => D3_BUNDLE },
    },
  });
}

const D3_BUNDLE = "bench-d3.js";
const D3_ENTRY = `import flamegraph from "d3-flame-graph";
import { select } from "d3-selection";
Object.assign(globalThis, { flamegraph, select });
`;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** The peers' files and the profiles, as a server hands them out. */
export class PeerServer implements Disposable {
  readonly files = new Map<string, Uint8Array>();
  readonly #server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    const file = join(folder, "node_modules", path);
    const bytes = this.files.get(path) ?? (existsSync(file) ? readFileSync(file) : undefined);
    response.writeHead(bytes ? 200 : 404, { "Content-Type": types[extname(path)] ?? "text/plain" });
    response.end(bytes);
  });

  async start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(0, "127.0.0.1", resolve);
    await promise;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  [Symbol.dispose](): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const D3_PAGE = `<!doctype html><meta charset=utf-8>
<link rel=stylesheet href=/d3-flame-graph/dist/d3-flamegraph.css>
<div id=chart></div>
<script src=/bench-d3.js></script>
<script type=module>
globalThis.tree = await (await fetch("/tree.json")).json();
globalThis.loaded = true;
</script>`;

/** d3-flame-graph with frames below a pixel left out, which is how it is fastest. */
export async function d3Times(browser: Browser, server: PeerServer): Promise<GraphTimes> {
  server.files.set("/d3.html", new TextEncoder().encode(D3_PAGE));
  await using context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
  const page = await context.newPage();
  page.setDefaultTimeout(RENDER_MS_MAX);
  await page.addInitScript(TIMER);
  await page.goto(`${server.origin}/d3.html`);
  await page.waitForFunction("globalThis.loaded");
  return await page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: the peer's globals
    const { flamegraph, select, tree } = globalThis as any;
    const chart = flamegraph().width(1400).cellHeight(16).minFrameSize(1).transitionDuration(0);
    const render = await timed(() => select("#chart").datum(tree).call(chart));
    const frames = [...document.querySelectorAll("#chart g.frame")];
    const child = frames.find((frame) => frame.getBoundingClientRect().y > 40) ?? frames[1];
    const click = new MouseEvent("click", { bubbles: true });
    const zoom = await timed(() => child?.dispatchEvent(click));
    await timed(() => chart.resetZoom());
    return { render, zoom, search: await timed(() => chart.search("function_12.")) };
  });
}

/** speedscope from its start to the first idle moment after its graph is there. */
export async function speedscopeTimes(browser: Browser, server: PeerServer): Promise<GraphTimes> {
  await using context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
  const page = await context.newPage();
  page.setDefaultTimeout(RENDER_MS_MAX);
  await page.addInitScript(TIMER);
  const profile = encodeURIComponent(`${server.origin}/profile.speedscope.json`);
  await page.goto(`${server.origin}/speedscope/dist/release/index.html#profileURL=${profile}`);
  await page.waitForFunction(() => document.querySelectorAll("canvas").length > 0);
  const render = await idleSince(page);
  const graph = await page.locator("canvas").first().boundingBox();
  await page.mouse.move((graph?.x ?? 0) + 300, (graph?.y ?? 0) + 200);
  const zoom = await page.evaluate(() =>
    timed(() => {
      const at = { bubbles: true, clientX: 300, clientY: 250 };
      const target = document.elementFromPoint(300, 250);
      target?.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY: -200, ctrlKey: true }));
    }),
  );
  await page.keyboard.press("Control+f");
  await page.waitForTimeout(300);
  const search = await page.evaluate(() =>
    timed(() => {
      const input = document.querySelector<HTMLInputElement>("input[type=text], input");
      if (!input) return;
      input.value = "function_12";
      input.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }),
  );
  return { render, zoom, search };
}

/** Time since the page's start at which ten frames in a row took less than 50 ms. */
async function idleSince(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    let idleSince = performance.now();
    let last = performance.now();
    for (let calm = 0; calm < 10; calm++) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      if (now - last > 50) [calm, idleSince] = [0, now];
      last = now;
    }
    return idleSince;
  });
}

/** The tree as d3-flame-graph takes it: nested objects. */
export function nestedTree(profile: FlameProfile): Uint8Array {
  const { columns } = buildTree(profile);
  const json: string[] = [];
  const write = (node: number): void => {
    const name = columns.names[columns.name[node] as number] as string;
    json.push(`{"name":${JSON.stringify(name)},"value":${columns.total[node]},"children":[`);
    const first = columns.firstChild[node] as number;
    for (let at = 0; at < (columns.childCount[node] as number); at++) {
      if (at > 0) json.push(",");
      write(first + at);
    }
    json.push("]}");
  };
  write(0);
  return new TextEncoder().encode(json.join(""));
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { flameHtml } from "../../src/cli/flame-page.ts";
import { flameProfileOf } from "../../src/profiles/flamegraph/from-batch.ts";
import { buildTree } from "../../src/profiles/flamegraph/tree.ts";
import { encodeSpeedscope } from "../../src/profiles/speedscope/encode.ts";
import { launchBrowser } from "../browser/browser.ts";
import {
  d3Times,
  type GraphTimes,
  installPeers,
  nestedTree,
  PeerServer,
  speedscopeTimes,
} from "./flamegraph-peers.ts";
import { median, printTable } from "./markdown-table.ts";
import { randomStacks } from "./random-stacks.ts";

/**
 * Flame graphs of 10k, 100k and 1M nodes in one Chromium without a GPU, beside d3-flame-graph and
 * speedscope: `node test/bench/flamegraph.ts`. Ours is measured by what it tells itself.
 */

const RUNS = 5;
/** The peers take half a minute for a million nodes. */
const peerRuns = (nodes: number): number => (nodes >= 1e6 ? 1 : 3);

interface OwnTimes extends GraphTimes {
  /** From the start of the navigation to the first painted frame. */
  readonly open: number;
  /** Frames painted in a second while the zoom moves. */
  readonly framesPerSecond: number;
}

async function ownTimes(browser: Browser, path: string): Promise<OwnTimes> {
  await using context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
  const page = await context.newPage();
  await page.goto(pathToFileURL(path).href);
  await page.waitForSelector("html[data-state=ready]", { state: "attached", timeout: 60_000 });
  const { open, render } = await page.evaluate(() => {
    const [measure] = performance.getEntriesByName("flamegraph-render");
    return {
      open: (measure?.startTime ?? 0) + (measure?.duration ?? 0),
      render: measure?.duration,
    };
  });
  await page.waitForTimeout(1000);
  for (const key of ["ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
  await page.evaluate(notePaintedFrames);
  await page.keyboard.press("Enter");
  const zoom = await measured(page, "flamegraph-zoom");
  await page.waitForTimeout(500);
  const framesPerSecond = await page.evaluate(frameRateOfZoom);
  await page.getByLabel("Search by regular expression").fill("function_12.");
  const search = await measured(page, "flamegraph-search");
  return { open, render: render ?? Number.NaN, zoom, search, framesPerSecond };
}

async function measured(page: Page, name: string): Promise<number> {
  await page.waitForFunction((entry) => performance.getEntriesByName(entry).length > 0, name);
  return await page.evaluate(
    (entry) => performance.getEntriesByName(entry)[0]?.duration ?? 0,
    name,
  );
}

declare global {
  var painted: number[];
}

/** Runs in the page: notes the time of every frame from now on. */
function notePaintedFrames(): void {
  globalThis.painted = [];
  const note = (): void => {
    painted.push(performance.now());
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}

/** Runs in the page: how many frames a second were painted while the zoom moved. */
function frameRateOfZoom(): number {
  const MOVES_MS = 160;
  const [zoom] = performance.getEntriesByName("flamegraph-zoom");
  const start = zoom?.startTime ?? 0;
  const frames = painted.filter((time) => time >= start && time < start + MOVES_MS).length;
  return (frames * 1000) / MOVES_MS;
}

async function repeated<Times extends object>(
  runs: number,
  measure: () => Promise<Times>,
): Promise<Times> {
  const all: Times[] = [];
  for (let run = 0; run < runs; run++) all.push(await measure());
  const [first] = all as [Times];
  const middle = Object.keys(first).map((key) => [
    key,
    median(all.map((times) => (times as Record<string, number>)[key] ?? Number.NaN)),
  ]);
  return Object.fromEntries(middle) as Times;
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

await installPeers();
const folder = mkdtempSync(join(tmpdir(), "obsforge-bench-"));
const browser = await launchBrowser();
using server = new PeerServer();
await server.start();
const rows: string[][] = [];
for (const nodes of [1e4, 1e5, 1e6]) {
  const batch = randomStacks(nodes);
  const profile = flameProfileOf(batch, "bench");
  const startMs = performance.now();
  const made = buildTree(profile).columns.name.length;
  const buildMs = performance.now() - startMs;
  const path = join(folder, `${nodes}.html`);
  writeFileSync(path, await flameHtml("bench", [{ name: "bench", profile }]));
  server.files.set("/tree.json", nestedTree(profile));
  server.files.set("/profile.speedscope.json", encodeSpeedscope(batch));
  const ours = await repeated(RUNS, () => ownTimes(browser, path));
  const size = made.toLocaleString("en-US");
  rows.push([size, "ours", ms(ours.render), ms(ours.zoom), ms(ours.search)]);
  for (const [name, measure] of [
    ["d3-flame-graph", d3Times],
    ["speedscope", speedscopeTimes],
  ] as const) {
    const times = await repeated(peerRuns(nodes), () => measure(browser, server));
    rows.push([size, name, ms(times.render), ms(times.zoom), ms(times.search)]);
  }
  process.stdout.write(
    `${size} nodes: tree in Node ${ms(buildMs)}, file to first frame ${ms(ours.open)}, ` +
      `${ours.framesPerSecond.toFixed(0)} frames/s while zooming\n`,
  );
}
await browser.close();
rmSync(folder, { recursive: true });
printTable("\nFlame graphs", ["Nodes", "", "First render", "Zoom", "Search"], rows);

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { encodePprof } from "../../src/profiles/pprof/encode.ts";
import { randomStacks } from "../bench/random-stacks.ts";
import { requirement } from "../support/requirements.ts";
import { runObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { useBrowser, WatchedPage } from "./browser.ts";
import { sampleBatch } from "./sample-batch.ts";

const BEFORE = "main;parse;read 300\nmain;render 700\nmain;render;draw_[k] 50\n";
const AFTER = "main;parse;read 900\nmain;render 700\nmain;idle 25\n";
/** Nodes with the root: main, parse, read, render, draw, idle. */
const NODES_OF_BEFORE = "6";

async function written(args: readonly string[]): Promise<void> {
  const { code, stderr } = await runObsforge(args);
  assert.deepEqual([code, stderr], [0, ""]);
}

describe("a flame graph in one file", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();

  it("shows the profile's total, asks for nothing, breaks no policy", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("cpu.folded"), BEFORE);
    const html = folder.file("cpu.html");
    await written(["flamegraph", folder.file("cpu.folded"), "-o", html, "--title", "A <title>"]);
    await using file = await WatchedPage.openFile(browser(), html, { offline: true });
    const { total, sampleType, nodes } = await file.ready();
    assert.deepEqual([total, sampleType, nodes], ["1050", "samples", NODES_OF_BEFORE]);
    assert.equal(await file.page.title(), "A <title>");
    assert.deepEqual(file.requests, [file.page.url().replace(/#.*/, "")]);
    assert.deepEqual([file.complaints, await file.accessibilityFaults()], [[], []]);
  });

  it("shows a difference with the total after", async () => {
    using folder = temporaryFolder();
    const [before, after, html] = ["a.folded", "b.folded", "d.html"].map((name) =>
      folder.file(name),
    ) as [string, string, string];
    writeFileSync(before, BEFORE);
    writeFileSync(after, AFTER);
    await written(["diff", before, after, "-o", html]);
    await using file = await WatchedPage.openFile(browser(), html, { hash: "#show=both" });
    const { total, nodes } = await file.ready();
    assert.deepEqual([total, nodes], ["1625", "7"]);
    assert.equal(file.requests.length, 1);
    assert.deepEqual([file.complaints, await file.accessibilityFaults()], [[], []]);
  });

  it("keeps every sample type of a profile, the file's own first", async () => {
    using folder = temporaryFolder();
    const { heap, totals } = heapProfile();
    writeFileSync(folder.file("heap.pprof"), heap);
    for (const type of ["inuse_space", "alloc_objects"]) {
      const html = folder.file(`${type}.html`);
      await written(["flamegraph", folder.file("heap.pprof"), "--type", type, "-o", html]);
      await using file = await WatchedPage.openFile(browser(), html);
      const report = await file.ready();
      assert.deepEqual([report["sampleType"], report["total"]], [type, totals[type]]);
    }
  });

  it("has the profile's total in every view, to the unit", async () => {
    using folder = temporaryFolder();
    const batch = randomStacks(3000);
    const total = [...batch.profiles()].reduce(
      (sum, { profile }) => sum + profile.samples.total(),
      0,
    );
    writeFileSync(folder.file("random.pb.gz"), encodePprof(batch));
    const html = folder.file("random.html");
    await written(["flamegraph", folder.file("random.pb.gz"), "-o", html]);
    for (const view of ["", "#invert=true", "#collapse=true", "#hide=function_1", "#root=none"]) {
      await using file = await WatchedPage.openFile(browser(), html, { hash: view });
      assert.equal((await file.ready())["total"], String(total), view);
      assert.deepEqual(file.complaints, []);
    }
  });

  it("shows stacks of 3,000 frames", async () => {
    using folder = temporaryFolder();
    const deep = Array.from({ length: 3000 }, (_, at) => `f${at}`).join(";");
    writeFileSync(folder.file("deep.folded"), `${deep} 5\nf0;g 5\n`);
    for (const name of ["deep.html", "deep.svg"]) {
      await written(["flamegraph", folder.file("deep.folded"), "-o", folder.file(name)]);
    }
    await using file = await WatchedPage.openFile(browser(), folder.file("deep.html"));
    const { total, nodes } = await file.ready();
    assert.deepEqual([total, nodes], ["10", "3002"]);
    assert.deepEqual([file.complaints, await file.accessibilityFaults()], [[], []]);
    await using svg = await WatchedPage.openFile(browser(), folder.file("deep.svg"));
    assert.equal(await svg.page.locator("g").count(), 3002);
  });

  it("is a picture with every frame named, and no script in it", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("cpu.folded"), BEFORE);
    const svg = folder.file("cpu.svg");
    await written(["flamegraph", folder.file("cpu.folded"), "-o", svg, "--width", "800"]);
    await using file = await WatchedPage.openFile(browser(), svg);
    const { scripts, titles, width } = await file.page.evaluate(() => ({
      scripts: document.querySelectorAll("script").length,
      titles: [...document.querySelectorAll("g > title")].map(({ textContent }) => textContent),
      width: document.documentElement.getBoundingClientRect().width,
    }));
    assert.deepEqual([scripts, width], [0, 800]);
    assert.ok(titles.includes("read\n300 (28.57 %), self 300"), titles.join("; "));
    assert.match(readFileSync(svg, "utf8"), /Every frame is drawn/);
  });
});

/** A heap profile as Go writes it, and the total of each of its types. */
function heapProfile(): { heap: Uint8Array; totals: Record<string, string> } {
  const names = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
  const heap = encodePprof(
    sampleBatch(
      names.map((name) => [name, name.endsWith("space") ? "bytes" : "count"] as const),
      [
        { stack: ["alloc", "main"], values: [10, 4096, 2, 1024] },
        { stack: ["grow", "main"], values: [1, 64, 1, 64] },
      ],
    ),
  );
  return {
    heap,
    totals: { alloc_objects: "11", alloc_space: "4160", inuse_objects: "3", inuse_space: "1088" },
  };
}

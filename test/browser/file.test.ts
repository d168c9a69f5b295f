import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { encodePprof } from "../../src/profiles/pprof/encode.ts";
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

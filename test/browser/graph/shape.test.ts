import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requirement } from "../../support/requirements.ts";
import { useBrowser } from "../browser.ts";
import { GraphPage } from "./graph-page.ts";
import { sampleProfile, service } from "./sample-profile.ts";

describe("the shapes of a graph", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();
  const open = async (hash = ""): Promise<GraphPage> =>
    await GraphPage.open(browser(), [sampleProfile(service)], { hash });

  it("inverts: leaves become the first level, and the total stays", async () => {
    await using graph = await open();
    await graph.clickButton("Invert");
    assert.deepEqual(await graph.widestPath(), ["root", "sys_read", "query", "handle", "main"]);
    assert.equal((await graph.report())["total"], "1000000000");
    await graph.pressForTree("i");
    assert.deepEqual(await graph.widestPath(), ["root", "main", "handle", "query", "sys_read"]);
  });

  it("shows a function between its callers above and its callees below", async () => {
    await using graph = await open();
    await graph.press("ArrowDown", "ArrowDown", "ArrowDown");
    assert.equal(await graph.selectedName(), "query");
    await graph.pressForTree("s");
    assert.deepEqual(await graph.widestPath(), ["query", "sys_read"]);
    assert.match((await graph.page.locator(".divider").textContent()) ?? "", /500 ms · 50\.00 %/);
    const callers = graph.page.locator(".callers canvas");
    const [above, below] = [await callers.boundingBox(), await graph.canvas.boundingBox()];
    assert.ok(above !== null && below !== null && above.y + above.height <= below.y);
    await callers.focus();
    await graph.press("ArrowUp");
    assert.match(
      (await graph.page.locator(".callers [role=status]").textContent()) ?? "",
      /^handle/,
    );
    await graph.press("ArrowUp");
    assert.match((await graph.page.locator(".callers [role=status]").textContent()) ?? "", /^main/);
    await graph.canvas.focus();
    await graph.pressForTree("Escape");
    assert.equal((await graph.report())["nodes"], "11");
  });

  it("collapses recursion", async () => {
    await using graph = await open();
    await graph.clickButton("Collapse recursion");
    assert.equal((await graph.report())["nodes"], "9");
    await graph.canvas.focus();
    await graph.press("ArrowDown", "ArrowDown", "ArrowRight");
    assert.equal(await graph.selectedName(), "walk");
    await graph.press("ArrowDown");
    assert.equal(await graph.selectedName(), "visit");
    await graph.pressForTree("r");
    assert.equal((await graph.report())["nodes"], "11");
  });

  it("hides frames: their callees move up, and the total stays", async () => {
    await using graph = await open();
    await graph.press("ArrowDown", "ArrowDown");
    await graph.pressForTree("h");
    assert.equal((await graph.report())["total"], "1000000000");
    assert.deepEqual(await graph.widestPath(), ["root", "main", "query", "sys_read"]);
    await graph.page.getByRole("button", { name: "Take away hide: handle" }).click();
    await graph.ready();
    await graph.page.waitForTimeout(100);
    assert.deepEqual(await graph.widestPath(), ["root", "main", "handle", "query", "sys_read"]);
  });

  it("focuses: only stacks with the function are shown", async () => {
    await using graph = await open();
    await graph.press("ArrowDown", "ArrowDown", "ArrowRight");
    await graph.clickButton("Focus");
    assert.equal((await graph.report())["total"], "250000000");
    assert.match((await graph.page.locator(".chips").textContent()) ?? "", /focus: walk/);
  });

  it("removes the stacks with a function", async () => {
    await using graph = await open();
    await graph.press("ArrowDown", "ArrowDown", "ArrowRight");
    await graph.pressForTree("x");
    assert.equal((await graph.report())["total"], "750000000");
    await graph.clickButton("Reset all");
    assert.equal((await graph.report())["total"], "1000000000");
  });

  it("shows the sample type that is chosen", async () => {
    await using graph = await open();
    await graph.choose("Type", "samples");
    const { total, sampleType } = await graph.report();
    assert.deepEqual([total, sampleType], ["18", "samples"]);
    assert.match(await graph.details(), /total 18, 100 %/);
  });

  it("takes labels as filters", async () => {
    await using graph = await open();
    await graph.choose("Filter", "container=web");
    assert.equal((await graph.report())["total"], "700000000");
    await graph.choose("Filter", "thread=worker-2");
    assert.equal((await graph.report())["total"], "500000000");
    await graph.page.getByRole("button", { name: "Take away label: container=web" }).click();
    await graph.page.waitForTimeout(100);
    assert.equal((await graph.report())["total"], "500000000");
  });

  it("takes a label as the level below the root", async () => {
    await using graph = await open();
    await graph.choose("Root level", "thread");
    assert.equal((await graph.report())["total"], "1000000000");
    await graph.press("ArrowDown");
    assert.equal(await graph.selectedName(), "thread: worker-2");
    await graph.press("ArrowLeft");
    assert.equal(await graph.selectedName(), "thread: worker-1");
    assert.match(await graph.details(), /450 ms/);
    // A label is no function: there is nothing to focus on.
    await graph.press("f");
    assert.match((await graph.page.locator(".notice").textContent()) ?? "", /is no function/);
    assert.equal((await graph.report())["total"], "1000000000");
  });

  it("has a table that sorts by each column", async () => {
    await using graph = await open("show=both");
    assert.deepEqual(await graph.rows(), [
      "sys_read 400 ms 40.00 % 400 ms 40.00 %",
      "visit 250 ms 25.00 % 250 ms 25.00 %",
      "parse 200 ms 20.00 % 200 ms 20.00 %",
      "query 100 ms 10.00 % 500 ms 50.00 %",
      "gc 50 ms 5.00 % 50 ms 5.00 %",
      "handle 0 ns 0 % 700 ms 70.00 %",
      "main 0 ns 0 % 1 s 100 %",
      // Three frames of recursion, each sample counted once.
      "walk 0 ns 0 % 250 ms 25.00 %",
    ]);
    const first = async (): Promise<string> => (await graph.rows())[0]?.split(" ")[0] ?? "";
    await graph.page.getByRole("button", { name: "Total" }).click();
    assert.equal(await first(), "main");
    await graph.page.getByRole("button", { name: "Total" }).click();
    assert.equal(await first(), "gc");
    await graph.page.getByRole("button", { name: "Function" }).click();
    assert.equal(await first(), "gc");
    const sorted = graph.page.locator("th[aria-sort=ascending]");
    assert.match((await sorted.textContent()) ?? "", /Function/);
  });

  it("ties the table to the graph", async () => {
    await using graph = await open("show=both");
    const row = graph.page.locator(".table").getByRole("button", { name: "walk" });
    assert.match(await graph.whileSearching(() => row.click()), /^250 ms, 25\.00 %/);
    assert.equal((await graph.rows()).length, 1);
    await graph.search("");
    await graph.canvas.focus();
    await graph.press("Home", "ArrowDown", "ArrowDown");
    const current = graph.page.locator(".table [aria-current=true]");
    assert.equal(await current.textContent(), "handle");
  });
});

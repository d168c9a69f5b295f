import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requirement } from "../../support/requirements.ts";
import { useBrowser } from "../browser.ts";
import { GraphPage } from "./graph-page.ts";
import { sampleProfile, service } from "./sample-profile.ts";

describe("the graph on the page", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();
  const open = async (hash = ""): Promise<GraphPage> =>
    await GraphPage.open(browser(), [sampleProfile(service)], { hash });

  it("reports itself, has the focus, and complains of nothing", async () => {
    await using graph = await open();
    const { state, total, sampleType, nodes } = await graph.report();
    assert.deepEqual([state, total, sampleType, nodes], ["ready", "1000000000", "cpu", "11"]);
    const focused = await graph.page.evaluate(() => document.activeElement?.tagName);
    assert.equal(focused, "CANVAS");
    await graph.clickFrame(2, 0.4);
    await graph.search("walk");
    const measures = await graph.page.evaluate(() =>
      performance.getEntriesByType("measure").map(({ name }) => name),
    );
    for (const name of ["flamegraph-render", "flamegraph-zoom", "flamegraph-search"]) {
      assert.ok(measures.includes(name), name);
    }
    assert.deepEqual(graph.complaints, []);
  });

  it("shows a tree that is there before the browser painted anything", async () => {
    await using graph = await GraphPage.open(browser(), [sampleProfile(service)], {
      // Frames and timers as on a machine under load; the worker's answers come at once.
      beforeScripts: () => {
        const { setTimeout: timer, requestAnimationFrame: frame } = globalThis;
        globalThis.setTimeout = ((work: () => void, ms = 0) => timer(work, ms + 500)) as never;
        globalThis.requestAnimationFrame = (work) => timer(() => frame(work), 500) as never;
      },
    });
    assert.equal((await graph.report())["nodes"], "11");
    await graph.clickFrame(2, 0.4);
    assert.equal(await graph.selectedName(), "handle");
  });

  it("zooms to what is clicked; breadcrumbs and Escape lead back", async () => {
    await using graph = await open();
    await graph.clickFrame(0, 0.5);
    assert.equal(await graph.selectedName(), "root");
    await graph.clickFrame(2, 0.4);
    assert.equal(await graph.selectedName(), "handle");
    assert.deepEqual(await graph.breadcrumbs(), ["root", "main", "handle"]);
    // Zoomed, its callees share the whole width: parse has 2/7 of it.
    await graph.clickFrame(3, 0.2);
    assert.equal(await graph.selectedName(), "parse");
    await graph.page.locator(".breadcrumbs button", { hasText: "main" }).click();
    await graph.settled();
    assert.deepEqual(await graph.breadcrumbs(), ["root", "main"]);
    await graph.canvas.focus();
    await graph.press("Escape");
    assert.deepEqual(await graph.breadcrumbs(), ["root", "main", "handle", "parse"]);
    await graph.press("Escape", "Escape");
    assert.deepEqual(await graph.breadcrumbs(), []);
  });

  it("counts a sample once however many of its frames a search finds", async () => {
    await using graph = await open();
    const walks = await graph.search("walk|visit");
    assert.match(walks, /^250 ms, 25\.00 % in 4 frames of 2 functions$/);
    assert.match(await graph.search("^main$"), /^1 s, 100 % in 1 frames/);
    assert.equal(await graph.search("nothing_such"), "Nothing found");
  });

  it("says what is wrong with a pattern that is no regular expression", async () => {
    await using graph = await open();
    assert.match(await graph.search("walk("), /No regular expression: .*group/i);
    const invalid = await graph.page.locator("#search").getAttribute("aria-invalid");
    assert.equal(invalid, "true");
    assert.match(await graph.search("walk"), /25\.00 %/);
  });

  it("ends a search that takes too long, and goes on", { timeout: 60_000 }, async () => {
    const stack = ["main", "a".repeat(60)];
    await using graph = await GraphPage.open(browser(), [
      sampleProfile({ lines: [{ stack, values: [5] }] }),
    ]);
    await graph.page.getByLabel("Search by regular expression").fill("(a+)+b");
    await graph.page.waitForSelector("#found:has-text('took too long')");
    assert.match(await graph.search("main"), /100 %/);
  });

  it("highlights what a search found", async () => {
    await using graph = await open();
    const before = await graph.colourAt(2, 0.9);
    await graph.search("walk");
    const found = await graph.colourAt(2, 0.9);
    const other = await graph.colourAt(2, 0.4);
    assert.notDeepEqual(found, before);
    assert.notDeepEqual(found, other);
  });

  it("is walked with the arrows, zoomed with Enter and left with Escape", async () => {
    await using graph = await open();
    await graph.press("ArrowDown", "ArrowDown");
    assert.equal(await graph.selectedName(), "handle");
    await graph.press("ArrowRight");
    assert.equal(await graph.selectedName(), "walk");
    await graph.press("ArrowLeft", "ArrowLeft");
    assert.equal(await graph.selectedName(), "gc");
    await graph.press("ArrowLeft", "ArrowUp");
    assert.equal(await graph.selectedName(), "main");
    await graph.press("ArrowDown", "Enter");
    assert.deepEqual(await graph.breadcrumbs(), ["root", "main", "handle"]);
    await graph.press("Escape");
    assert.deepEqual(await graph.breadcrumbs(), []);
  });

  it("searches with /, goes back with Enter, and from match to match with n", async () => {
    await using graph = await open();
    await graph.press("/");
    await graph.whileSearching(async () => await graph.page.keyboard.type("walk"));
    await graph.page.waitForSelector("#found:has-text('3 frames')");
    await graph.press("Enter");
    assert.match(await graph.spoken(), /^walk, /);
    await graph.press("n", "n", "n");
    assert.equal(await graph.selectedName(), "walk");
    await graph.press("Escape");
    assert.equal(await graph.page.locator("#search").inputValue(), "");
  });

  it("lists its keys with ?", async () => {
    await using graph = await open();
    await graph.press("?");
    const dialog = graph.page.getByRole("dialog");
    assert.ok(await dialog.isVisible());
    assert.match((await dialog.textContent()) ?? "", /collapse recursion/);
    await graph.press("Escape");
    assert.ok(!(await dialog.isVisible()));
    const focused = await graph.page.evaluate(() => document.activeElement?.tagName);
    assert.equal(focused, "CANVAS");
  });

  it("lets a screen reader hear the frame with the focus", async () => {
    await using graph = await open();
    assert.equal(await graph.canvas.getAttribute("role"), "application");
    assert.match((await graph.canvas.getAttribute("aria-label")) ?? "", /Flame graph/);
    await graph.press("ArrowDown", "ArrowDown", "ArrowRight");
    const spoken = await graph.spoken();
    assert.match(spoken, /^walk, src\/tree\.go:7 · native, total 250 ms .*, 25\.00 %, self 0/);
    assert.match(spoken, /level 2, 1 callee$/);
    const live = graph.page.locator("#graph [role=status]");
    assert.equal(await live.getAttribute("aria-live"), "polite");
  });

  it("shows the full name, place, values and shares where the pointer is", async () => {
    await using graph = await open();
    await graph.hoverFrame(3, 0.5);
    const text = (await graph.page.locator(".flame-graph-tooltip").first().textContent()) ?? "";
    for (const part of ["query", "src/db.go:5", "native", "500 ms", "500,000,000", "50.00 %"]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
    await graph.page.mouse.move(5, 5);
    assert.ok(await graph.page.locator(".flame-graph-tooltip").first().isHidden());
  });

  it("copies the name and the stack", async () => {
    await using graph = await open();
    await graph.press("ArrowDown", "ArrowDown", "c");
    const read = async (): Promise<string> =>
      await graph.page.evaluate(async () => await navigator.clipboard.readText());
    await graph.page.waitForSelector(".notice:has-text('the name is copied')");
    assert.equal(await read(), "handle");
    await graph.press("C");
    await graph.page.waitForSelector(".notice:has-text('2 frames is copied')");
    assert.equal(await read(), "main\nhandle");
  });

  it("follows a hash that is typed or linked to", async () => {
    await using graph = await open();
    await graph.page.evaluate(() => {
      location.hash = "type=samples&invert=true&q=query";
    });
    await graph.page.waitForTimeout(300);
    await graph.ready();
    assert.equal((await graph.report())["sampleType"], "samples");
    assert.match((await graph.page.locator("#found").textContent()) ?? "", /^7, 38\.89 %/);
    assert.deepEqual((await graph.widestPath()).slice(0, 3), ["root", "visit", "walk"]);
  });

  it("says when no samples are left", async () => {
    await using graph = await open("label=thread%3Dnobody");
    assert.match((await graph.page.locator(".notice").textContent()) ?? "", /No samples are left/);
    assert.equal((await graph.report())["total"], "0");
    await graph.clickButton("Reset all");
    assert.equal((await graph.report())["total"], "1000000000");
    assert.deepEqual(graph.complaints, []);
  });

  it("keeps its whole state in the URL's hash", async () => {
    await using graph = await open();
    await graph.choose("Type", "samples");
    await graph.choose("Show", "both");
    await graph.clickButton("Invert");
    await graph.search("query");
    await graph.clickFrame(1, 0.5);
    const name = await graph.selectedName();
    await using again = await graph.reopened();
    assert.equal((await again.report())["sampleType"], "samples");
    assert.deepEqual(await again.breadcrumbs(), ["root", name]);
    assert.equal(await again.page.locator("#search").inputValue(), "query");
    assert.ok(await again.page.locator(".table").isVisible());
    const pressed = again.page.getByRole("button", { name: "Invert", exact: true });
    assert.equal(await pressed.getAttribute("aria-pressed"), "true");
  });
});

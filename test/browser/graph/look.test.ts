import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { requirement } from "../../support/requirements.ts";
import { useBrowser } from "../browser.ts";
import { GraphPage } from "./graph-page.ts";
import { deepProfile, sampleProfile, service, serviceAfter } from "./sample-profile.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeResults {
  readonly violations: readonly { id: string; nodes: readonly { html: string }[] }[];
}

describe("the look of the page", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();
  const profile = sampleProfile(service);

  /** Everything that axe finds wrong. The page's policy lets no script in but through the tool. */
  async function faults(graph: GraphPage): Promise<string[]> {
    const { violations } = (await graph.page.evaluate(`${axe}; axe.run(document)`)) as AxeResults;
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  }

  for (const { name, options, profiles } of [
    { name: "light", options: { colorScheme: "light" }, profiles: [profile] },
    { name: "dark", options: { colorScheme: "dark", hash: "show=both" }, profiles: [profile] },
    {
      name: "narrow, narrowed down and zoomed",
      options: { viewport: { width: 320, height: 640 }, hash: "show=both&hide=main&zoom=2&q=walk" },
      profiles: [profile],
    },
    {
      name: "a difference",
      options: { hash: "show=both" },
      profiles: [profile, sampleProfile(serviceAfter)],
    },
    { name: "colours of types", options: { hash: "colour=type" }, profiles: [profile] },
    { name: "a sandwich", options: { hash: "sandwich=query" }, profiles: [profile] },
    { name: "nothing open", options: {}, profiles: [] },
  ] as const) {
    it(`has nothing that axe finds: ${name}`, async () => {
      await using graph = await GraphPage.open(browser(), profiles, options);
      if (profiles.length === 0) await graph.page.waitForSelector(".opener");
      assert.deepEqual(await faults(graph), []);
    });
  }

  it("has nothing that axe finds in the list of keys", async () => {
    await using graph = await GraphPage.open(browser(), [profile]);
    await graph.press("?");
    assert.deepEqual(await faults(graph), []);
  });

  it("colours by package, file, type and value", async () => {
    await using graph = await GraphPage.open(browser(), [profile]);
    const seen = new Set<string>();
    for (const mode of ["package", "file", "type", "value"]) {
      await graph.choose("Colour", mode);
      await graph.page.waitForTimeout(50);
      // handle, query, sys_read, gc
      const places = [
        [2, 0.4],
        [3, 0.5],
        [4, 0.5],
        [2, 0.03],
      ] as const;
      const colours = await Promise.all(places.map(([level, part]) => graph.colourAt(level, part)));
      seen.add(JSON.stringify(colours));
      if (mode === "type") {
        const legend = await graph.page.getByRole("list", { name: "Colours" }).textContent();
        assert.equal(legend, "not knownnativekernelJITinlined");
        assert.deepEqual(colours[0], colours[1], "both are native");
        assert.notDeepEqual(colours[1], colours[2], "one is the kernel's");
        assert.notDeepEqual(colours[1], colours[3], "one is JIT code");
      }
      if (mode === "file") assert.notDeepEqual(colours[0], colours[1]);
    }
    assert.equal(seen.size, 4);
  });

  it("follows the system's dark or light until the user chooses", async () => {
    await using graph = await GraphPage.open(browser(), [profile], { colorScheme: "dark" });
    const dark = await graph.colourAt(20, 0.5);
    assert.ok(Math.max(...dark) < 60, String(dark));
    await graph.page.emulateMedia({ colorScheme: "light" });
    await graph.page.waitForTimeout(100);
    assert.ok(Math.min(...(await graph.colourAt(20, 0.5))) > 200);
    await graph.clickButton("Dark");
    await graph.page.waitForTimeout(100);
    assert.deepEqual(await graph.colourAt(20, 0.5), dark);
    assert.match(graph.page.url(), /theme=dark/);
    await graph.canvas.focus();
    await graph.press("d");
    assert.equal((await graph.report())["theme"], "light");
  });

  it("moves to a zoomed frame, and does not where motion is reduced", async () => {
    for (const [reducedMotion, isMoving] of [
      ["no-preference", true],
      ["reduce", false],
    ] as const) {
      await using graph = await GraphPage.open(browser(), [profile], { reducedMotion });
      const colours = await graph.page.evaluate(async () => {
        const canvas = document.querySelector<HTMLCanvasElement>("#graph canvas");
        const context = canvas?.getContext("2d");
        if (!canvas || !context) throw new Error("no canvas");
        const box = canvas.getBoundingClientRect();
        // gc, 5 % of the width: what is left of handle goes out of view at the right.
        const at = { clientX: box.left + 5, clientY: box.top + 50, bubbles: true };
        canvas.dispatchEvent(new MouseEvent("click", at));
        const seen = new Set<string>();
        for (let frame = 0; frame < 20; frame++) {
          await new Promise(requestAnimationFrame);
          const row = context.getImageData(0, 44, canvas.width, 1).data;
          seen.add(row.join());
        }
        return seen.size;
      });
      assert.equal(colours > 3, isMoving, `${colours} different frames`);
    }
  });

  it("works at 320 pixels: nothing is wider, everything is reached", async () => {
    await using graph = await GraphPage.open(browser(), [profile], {
      viewport: { width: 320, height: 568 },
      hash: "show=both",
    });
    const width = await graph.page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, 320);
    await graph.canvas.scrollIntoViewIfNeeded();
    await graph.clickFrame(2, 0.4);
    assert.equal(await graph.selectedName(), "handle");
    await graph.page.getByRole("button", { name: "Copy stack" }).scrollIntoViewIfNeeded();
    await graph.page.getByRole("button", { name: "Function" }).click();
  });

  it("works at 4K with two device pixels for one", async () => {
    await using graph = await GraphPage.open(browser(), [profile], {
      viewport: { width: 1920, height: 1080 },
      deviceScaleFactor: 2,
    });
    const size = await graph.canvas.evaluate((canvas: HTMLCanvasElement) => canvas.width);
    assert.equal(size, 3840);
    await graph.clickFrame(2, 0.4);
    assert.equal(await graph.selectedName(), "handle");
  });

  it("scrolls stacks of 3,000 frames on a canvas no taller than its box", async () => {
    await using graph = await GraphPage.open(browser(), [deepProfile(3000)]);
    assert.equal((await graph.report())["nodes"], "3001");
    const height = await graph.canvas.evaluate((canvas: HTMLCanvasElement) => canvas.height);
    assert.ok(height < 700, `${height} pixels`);
    const scroller = graph.page.locator("#graph > div").first();
    await scroller.evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await graph.page.waitForTimeout(100);
    const box = await graph.canvas.boundingBox();
    await graph.page.mouse.click((box?.x ?? 0) + 50, (box?.y ?? 0) + (box?.height ?? 0) - 5);
    await graph.settled();
    assert.equal(await graph.selectedName(), "f2999");
    await graph.canvas.focus();
    await graph.press("Home");
    assert.equal(await scroller.evaluate(({ scrollTop }) => scrollTop), 0);
    assert.equal(await graph.selectedName(), "root");
  });
});

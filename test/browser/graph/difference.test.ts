import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requirement } from "../../support/requirements.ts";
import { useBrowser } from "../browser.ts";
import { GraphPage } from "./graph-page.ts";
import { sampleProfile, service, serviceAfter } from "./sample-profile.ts";

describe("the difference of two profiles", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();
  const open = async (hash = ""): Promise<GraphPage> =>
    await GraphPage.open(browser(), [sampleProfile(service), sampleProfile(serviceAfter)], {
      hash,
    });

  /** Blue is less and orange is more: which of both a colour is, and how strong. */
  function side([red = 0, , blue = 0]: readonly number[]): "less" | "unchanged" | "more" {
    if (Math.abs(red - blue) < 12) return "unchanged";
    return red > blue ? "more" : "less";
  }

  it("has the totals of the later profile", async () => {
    await using graph = await open();
    assert.equal((await graph.report())["total"], "1300000000");
    assert.match(await graph.details(), /before 1 s .*, 100 % · after 1\.30 s .*, 100 %/);
  });

  it("leaves what is unchanged neutral, in shares and in absolute values", async () => {
    // Twice the same profile but for its size: as shares nothing changed, as values all did.
    const doubled = {
      ...service,
      lines: service.lines.map((line) => ({ ...line, values: line.values.map((v) => 2 * v) })),
    };
    await using graph = await GraphPage.open(browser(), [
      sampleProfile(service),
      sampleProfile({ ...doubled, seconds: 20 }),
    ]);
    assert.equal(side(await graph.colourAt(2, 0.4)), "unchanged");
    await graph.choose("Difference", "absolute");
    assert.equal(side(await graph.colourAt(2, 0.4)), "more");
    // Twice the value in twice the time is the same rate.
    await graph.choose("Difference", "rate");
    assert.equal(side(await graph.colourAt(2, 0.4)), "unchanged");
  });

  it("colours more and less apart, and marks what is new and what has vanished", async () => {
    await using graph = await open("diff=absolute");
    await graph.press("ArrowDown", "ArrowDown", "ArrowLeft");
    assert.equal(await graph.selectedName(), "gc");
    assert.match(await graph.details(), /vanished/);
    assert.match(await graph.spoken(), /gc, .*vanished, before 50 ms .*, after 0 ns/);
    await graph.press("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft");
    assert.equal(await graph.selectedName(), "cache");
    assert.match(await graph.details(), /new · before 0 ns .* · after 150 ms/);
    const download = graph.page.waitForEvent("download");
    await graph.page.getByRole("combobox", { name: "Export" }).selectOption("SVG");
    const stream = await (await download).createReadStream();
    const svg = (await stream.toArray()).join("");
    assert.match(svg, />\+ cache</);
    // gc is too narrow for its name: a line strikes it through.
    assert.match(svg, /<title>gc, [^<]*<\/title><rect[^>]*><rect [^>]*height="1.5"/);
    // gc stands first on its level and has 50 of 2,300 parts, cache below handle after it.
    assert.equal(side(await graph.colourAt(2, 0.01)), "less");
    assert.equal(side(await graph.colourAt(3, 0.04)), "more");
    assert.equal(side(await graph.colourAt(2, 0.95)), "unchanged");
  });

  it("has both sides' values in the tooltip", async () => {
    await using graph = await open("diff=absolute");
    await graph.hoverFrame(3, 0.2);
    const text = (await graph.page.locator(".flame-graph-tooltip").first().textContent()) ?? "";
    assert.match(text, /parse/);
    assert.match(text, /before 200 ms .*20\.00 %/);
    assert.match(text, /after 400 ms .*30\.77 %/);
    assert.match(text, /change \+200 ms, \+10\.77 points/);
  });

  it("has a table of changes, the largest first", async () => {
    await using graph = await open("diff=absolute&show=both");
    const rows = await graph.rows();
    assert.deepEqual(rows.slice(0, 5), [
      "handle 700 ms 1.05 s +350 ms",
      "main 1 s 1.30 s +300 ms",
      "parse 200 ms 400 ms +200 ms",
      "cache 0 ns 150 ms +150 ms new",
      "gc 50 ms 0 ns −50 ms vanished",
    ]);
  });

  it("shows either side alone, and the other way round", async () => {
    await using graph = await open();
    await graph.choose("Compared with", "-1");
    const { total } = await graph.report();
    assert.equal(total, "1300000000");
    await graph.choose("Profile", "0");
    assert.equal((await graph.report())["total"], "1000000000");
    await graph.choose("Compared with", "1");
    assert.match(await graph.details(), /before 1\.30 s .* after 1 s/);
  });
});

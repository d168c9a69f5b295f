import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { decodePprof } from "../../../src/profiles/pprof/decode.ts";
import { resolvedSamples } from "../../../src/profiles/resolved.ts";
import { FILE_LIMITS } from "../../../src/support/limits.ts";
import { requirement } from "../../support/requirements.ts";
import { useBrowser } from "../browser.ts";
import { GraphPage } from "./graph-page.ts";
import { sampleProfile, service } from "./sample-profile.ts";

describe("what is exported from the page", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();

  async function exported(graph: GraphPage, format: string): Promise<Buffer> {
    const download = graph.page.waitForEvent("download");
    await graph.page.getByRole("combobox", { name: "Export" }).selectOption(format);
    return await readFile(await (await download).path());
  }

  const open = async (hash = ""): Promise<GraphPage> =>
    await GraphPage.open(browser(), [sampleProfile(service)], { hash });

  it("is, as SVG, what is on screen", async () => {
    await using graph = await open();
    await graph.clickFrame(2, 0.4);
    const svg = (await exported(graph, "SVG")).toString();
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="\d+" height="\d+"/);
    assert.match(svg, /<title>query, src\/db\.go:5 · native, total 500 ms/);
    assert.match(svg, />parse<\/text>/);
    assert.doesNotMatch(svg, />walk</);
  });

  it("escapes in SVG what a name could do there", async () => {
    const name = `</text><script>alert(1)</script>&"'\u0001`;
    await using graph = await GraphPage.open(browser(), [
      sampleProfile({ lines: [{ stack: ["main", name], values: [1] }] }),
    ]);
    const svg = (await exported(graph, "SVG")).toString();
    assert.doesNotMatch(svg, /<script/);
    assert.match(svg, /&lt;script&gt;alert\(1\)/);
    assert.ok(!svg.includes("\u0001"));
  });

  it("is a PNG image of the graph's size", async () => {
    await using graph = await open();
    const png = await exported(graph, "PNG");
    assert.equal(png.subarray(1, 4).toString(), "PNG");
    const box = await graph.canvas.boundingBox();
    assert.equal(png.readUInt32BE(16), Math.round(box?.width ?? 0));
  });

  it("is, as pprof, every sample with its value", async () => {
    await using graph = await open();
    const bytes = gunzipSync(await exported(graph, "pprof"));
    const samples = resolvedSamples(decodePprof(bytes, FILE_LIMITS), "names");
    const stacks = samples.map(({ stack, value, type }) => `${type} ${stack.join("<")} ${value}`);
    assert.deepEqual(stacks.sort(), [
      "cpu gc<main 50000000",
      "cpu parse<handle<main 200000000",
      "cpu query<handle<main 100000000",
      "cpu sys_read<query<handle<main 400000000",
      "cpu visit<walk<walk<walk<main 250000000",
    ]);
  });

  it("is, as folded stacks, what is below the zoomed frame, with its callers", async () => {
    await using graph = await open();
    await graph.clickFrame(3, 0.5);
    assert.deepEqual(await graph.breadcrumbs(), ["root", "main", "handle", "query"]);
    const folded = (await exported(graph, "folded")).toString();
    assert.deepEqual(folded.trim().split("\n").sort(), [
      "main;handle;query 100000000",
      "main;handle;query;sys_read_[k] 400000000",
    ]);
  });

  it("turns stacks back that were inverted", async () => {
    await using graph = await open("invert=true");
    const folded = (await exported(graph, "folded")).toString();
    assert.ok(folded.includes("main;handle;parse 200000000"));
  });
});

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { encodePprof } from "../../src/profiles/pprof/encode.ts";
import { requirement } from "../support/requirements.ts";
import { runObsforge, startObsforge } from "../support/run-command.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";
import { useBrowser, WatchedPage } from "./browser.ts";
import { HIT_MARK, payloads } from "./payloads.ts";
import { sampleBatch } from "./sample-batch.ts";
import { viewAddress } from "./view-address.ts";

/** Of payloads set as markup, how many run at once: so many at least that a test means something. */
const HITS_MIN = 40;

/** A profile whose functions, files, labels and sample types are payloads; and one more. */
function hostileProfile(folder: TemporaryFolder): string {
  const path = folder.file("hostile.pb.gz");
  const types = payloads.slice(0, 3).map((text) => [text, text] as const);
  const rows = payloads.map((text, at) => ({
    stack: [[text, payloads[(at + 7) % payloads.length] as string] as const],
    labels: { [text]: text, key: text },
    values: [1000 + at, 1, 1],
  }));
  writeFileSync(path, encodePprof(sampleBatch([...types, ["samples", "count"]], rows)));
  return path;
}

async function assertUntouched(watched: WatchedPage): Promise<void> {
  await watched.page.waitForTimeout(100);
  const { wasHit, elements } = await watched.page.evaluate((mark) => {
    const hostile = "iframe, object, embed, img, video, base, animate, set, foreignObject";
    return {
      wasHit: mark in globalThis,
      elements: [...document.querySelectorAll(hostile)].map(({ outerHTML }) => outerHTML),
    };
  }, HIT_MARK);
  assert.equal(wasHit, false, "a script of the profile ran");
  assert.deepEqual([elements, watched.dialogs], [[], []]);
}

/** Looks at everything: each frame under the pointer, the table, labels, every kind of view. */
async function lookAround(watched: WatchedPage): Promise<void> {
  const { page } = watched;
  await watched.ready();
  await assertUntouched(watched);
  const box = await page.locator("#graph canvas").boundingBox();
  assert.ok(box);
  for (let at = 0; at < payloads.length; at++) {
    const x = box.x + ((at + 0.5) / payloads.length) * box.width;
    await page.mouse.move(x, box.y + 30);
  }
  await page.mouse.click(box.x + 20, box.y + 30);
  await assertUntouched(watched);
  for (const hash of ["#root=key&show=both", "#invert=true&show=table", "#q=script&show=both"]) {
    await page.evaluate((text) => {
      location.hash = text;
    }, hash);
    await page.waitForTimeout(150);
    await watched.ready();
    await assertUntouched(watched);
  }
}

describe("no script of a profile runs [S10]", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();

  it("tries 100 payloads, of which half need nobody's click to run as markup", async () => {
    assert.equal(new Set(payloads).size, 100);
    await using blank = await WatchedPage.open(browser(), "about:blank");
    let hits = 0;
    for (const payload of payloads) {
      await blank.page.goto("about:blank");
      await blank.page.setContent(`<p title="">${payload}</p>`, { waitUntil: "commit" });
      await blank.page.waitForTimeout(20);
      if (await blank.page.evaluate((mark) => mark in globalThis, HIT_MARK).catch(() => true)) {
        hits++;
      }
    }
    assert.ok(hits >= HITS_MIN, `${hits} ran`);
  });

  it("in an HTML file", async () => {
    using folder = temporaryFolder();
    const html = folder.file("out.html");
    const title = payloads.join(" ").replaceAll("\0", "");
    const made = await runObsforge([
      ...["flamegraph", hostileProfile(folder), "-o", html],
      ...["--title", title],
    ]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    await using file = await WatchedPage.openFile(browser(), html, { hash: "#show=both" });
    await lookAround(file);
    assert.equal(file.requests.length, 1);
    assert.deepEqual(file.complaints, []);
  });

  it("in a difference of two", async () => {
    using folder = temporaryFolder();
    const html = folder.file("out.html");
    const profile = hostileProfile(folder);
    const made = await runObsforge(["diff", profile, profile, "-o", html]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    await using file = await WatchedPage.openFile(browser(), html, { hash: "#show=both" });
    await lookAround(file);
    assert.deepEqual(file.complaints, []);
  });

  it("in a picture, which is well-formed whatever the names are", async () => {
    using folder = temporaryFolder();
    const svg = folder.file("out.svg");
    const title = payloads.join(" ").replaceAll("\0", "");
    const made = await runObsforge([
      ...["flamegraph", hostileProfile(folder), "-o", svg, "--width", "4000"],
      ...["--title", title],
    ]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    await using file = await WatchedPage.openFile(browser(), svg);
    await assertUntouched(file);
    const { names, titles, handlers } = await file.page.evaluate(() => ({
      names: [...new Set([...document.querySelectorAll("*")].map(({ localName }) => localName))],
      titles: document.querySelectorAll("g > title").length,
      handlers: [...document.querySelectorAll("*")]
        .flatMap(({ attributes }) => [...attributes])
        .filter(({ name }) => name.startsWith("on") || name.includes("href")).length,
    }));
    assert.deepEqual(names.sort(), ["g", "rect", "svg", "text", "title"]);
    assert.deepEqual([titles, handlers], [payloads.length + 1, 0]);
  });

  it("on the page that `view` serves", async () => {
    using folder = temporaryFolder();
    await using view = await startObsforge(["view", "--no-open", hostileProfile(folder)]);
    const address = await viewAddress(view);
    await using page = await WatchedPage.open(browser(), `${address}#show=both`);
    await lookAround(page);
    assert.ok(page.requests.every((url) => url.startsWith(new URL(address).origin)));
    assert.deepEqual(page.complaints, []);
  });
});

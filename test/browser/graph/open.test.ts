import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeFolded } from "../../../src/profiles/folded/decode.ts";
import { encoderOf } from "../../../src/profiles/formats.ts";
import { FILE_LIMITS } from "../../../src/support/limits.ts";
import { requirement } from "../../support/requirements.ts";
import { useBrowser } from "../browser.ts";
import { GraphPage } from "./graph-page.ts";
import { sampleProfile, service } from "./sample-profile.ts";

interface DroppedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const text = new TextEncoder();
const folded = text.encode("app;main;parse 30\napp;main;query 70\n");
const batch = decodeFolded(folded, FILE_LIMITS);
const script = `app 12 1.000000: 100 cycles:
\t1000 parse+0x10 (/usr/bin/app)
\t2000 main+0x20 (/usr/bin/app)

`;

describe("files that are dropped on the page", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();

  /** Drops files as a file manager does. */
  async function drop(graph: GraphPage, files: readonly DroppedFile[]): Promise<void> {
    const plain = files.map(({ name, bytes }) => ({ name, bytes: [...bytes] }));
    await graph.page.evaluate((dropped) => {
      const dataTransfer = new DataTransfer();
      for (const { name, bytes } of dropped) {
        dataTransfer.items.add(new File([Uint8Array.from(bytes)], name));
      }
      const options = { dataTransfer, bubbles: true, cancelable: true };
      document.body.dispatchEvent(new DragEvent("dragover", options));
      document.body.dispatchEvent(new DragEvent("drop", options));
    }, plain);
    await graph.page.waitForTimeout(100);
  }

  const openEmpty = async (): Promise<GraphPage> => {
    const graph = await GraphPage.open(browser(), []);
    await graph.page.waitForSelector(".opener");
    return graph;
  };

  for (const { name, bytes, total } of [
    { name: "a.pb.gz", bytes: encoderOf("pprof")(batch), total: "100" },
    { name: "a.otlp.pb", bytes: encoderOf("otlp")(batch), total: "100" },
    { name: "a.otlp.json", bytes: encoderOf("otlp-json")(batch), total: "100" },
    { name: "a.speedscope.json", bytes: encoderOf("speedscope")(batch), total: "100" },
    { name: "a.folded", bytes: folded, total: "100" },
    { name: "out.perf", bytes: text.encode(script), total: "1" },
    { name: "no extension", bytes: encoderOf("pprof")(batch), total: "100" },
  ]) {
    it(`opens ${name}`, async () => {
      await using graph = await openEmpty();
      await drop(graph, [{ name, bytes }]);
      await graph.ready();
      assert.equal((await graph.report())["total"], total);
      assert.ok((await graph.widestPath()).includes("main"));
      assert.deepEqual(graph.complaints, []);
    });
  }

  it("opens what is chosen instead of dropped", async () => {
    await using graph = await openEmpty();
    const chosen = { name: "a.folded", mimeType: "text/plain", buffer: Buffer.from(folded) };
    await graph.page.getByLabel("Choose files").setInputFiles([chosen]);
    await graph.ready();
    assert.equal((await graph.report())["total"], "100");
  });

  it("shows two as a difference, on a page that showed another profile", async () => {
    await using graph = await GraphPage.open(browser(), [sampleProfile(service)]);
    await drop(graph, [
      { name: "a.folded", bytes: text.encode("main;a 10\nmain;b 10\n") },
      { name: "b.folded", bytes: text.encode("main;a 30\n") },
    ]);
    await graph.ready();
    assert.match(await graph.details(), /before 20.* · after 30/);
  });

  it("offers several to choose from", async () => {
    await using graph = await openEmpty();
    const files = [1, 2, 3].map((at) => ({
      name: `${at}.folded`,
      bytes: text.encode(`main;f${at} ${at}\n`),
    }));
    await drop(graph, files);
    await graph.ready();
    assert.equal((await graph.report())["total"], "1");
    await graph.choose("Profile", "2");
    assert.equal((await graph.report())["total"], "3");
    await graph.choose("Compared with", "1");
    assert.match(await graph.details(), /before 2.* · after 3/);
  });

  it("says which file it could not read, and why", async () => {
    await using graph = await openEmpty();
    await drop(graph, [{ name: "song.mp3", bytes: Uint8Array.of(0, 1, 2, 3) }]);
    await graph.page.waitForSelector("[role=alert]");
    const problem = (await graph.page.locator("[role=alert]").textContent()) ?? "";
    assert.match(problem, /song\.mp3: .*no.* known format|song\.mp3: neither/);
    await drop(graph, [{ name: "a.folded", bytes: folded }]);
    await graph.ready();
    assert.equal(await graph.page.locator("[role=alert]").count(), 0);
  });
});

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packageRoot } from "../../../src/support/package-root.ts";
import { requirement } from "../../support/requirements.ts";
import { runCommand } from "../../support/run-command.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { useBrowser } from "../browser.ts";
import { GraphPage } from "./graph-page.ts";
import { sampleProfile, service } from "./sample-profile.ts";

/** What another program that uses the graph looks like. */
const consumer = `
import { buildTree, FlameGraph, type FlameProfile } from "observability-forge/flamegraph";

export function show(host: HTMLElement, profile: FlameProfile): FlameGraph {
  const graph = new FlameGraph(host, { theme: "dark", zoomed: (node: number) => void node });
  const { columns } = buildTree(profile, { invert: true });
  graph.show({ columns, sampleType: "cpu", unit: "nanoseconds" });
  const problem: string = columns.names[0] ?? "";
  void problem;
  return graph;
}
`;

describe('import … from "observability-forge/flamegraph"', () => {
  const browser = useBrowser();

  it("has types that a strict program is checked by", {
    skip: requirement("chromium"),
  }, async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.file("node_modules"));
    symlinkSync(packageRoot(), folder.file("node_modules/observability-forge"));
    writeFileSync(folder.file("consumer.ts"), consumer);
    writeFileSync(folder.file("package.json"), '{ "type": "module" }');
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024"];
    const result = await runCommand(
      join(packageRoot(), "node_modules/.bin/tsc"),
      [...options, "--lib", "es2025,esnext,dom", "--types", "", "consumer.ts"],
      { cwd: folder.path },
    );
    assert.equal(result.stdout, "");
    assert.equal(result.code, 0);
  });

  it("draws in a page of its own, and takes itself away", {
    skip: requirement("chromium"),
  }, async () => {
    await using graph = await GraphPage.open(browser(), [sampleProfile(service)]);
    const drawn = await graph.page.evaluate(async () => {
      const module = await import("/flamegraph.js" as string);
      const host = document.createElement("div");
      host.style.height = "300px";
      document.body.append(host);
      const { promise, resolve } = Promise.withResolvers<void>();
      const own = new module.FlameGraph(host, { ready: resolve });
      const columns = {
        names: ["root", "a", "b"],
        files: [""],
        parent: Uint32Array.of(0, 0, 0),
        firstChild: Uint32Array.of(1, 3, 3),
        childCount: Uint32Array.of(2, 0, 0),
        name: Uint32Array.of(0, 1, 2),
        file: new Uint32Array(3),
        line: new Uint32Array(3),
        kind: new Uint8Array(3),
        self: Float64Array.of(0, 30, 70),
        total: Float64Array.of(100, 30, 70),
      };
      own.show({ columns, sampleType: "cpu", unit: "count" });
      await promise;
      const names = [own.describe(2).name, ...own.describe(2).values];
      own.destroy();
      return { names, left: host.childElementCount };
    });
    assert.deepEqual(drawn.names, ["b", "total 70, 70.00 %", "self 70, 70.00 %"]);
    assert.equal(drawn.left, 0);
    assert.deepEqual(graph.complaints, []);
  });
});

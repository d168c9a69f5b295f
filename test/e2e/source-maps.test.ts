import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "vite";
import { formatOfPath } from "../../src/profiles/formats.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { functionTotals } from "../support/function-totals.ts";
import { requirement } from "../support/requirements.ts";
import { runObsforge, startCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const source = join(packageRoot(), "test/programs/basket.ts");
/** Names that the minifier takes away, and the lines where they are written. */
const WRITTEN = ["computeTotals", "weigh", "Basket"] as const;

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

/** Bundles and minifies the program, with its map where it is wanted. */
async function bundle(name: string, sourcemap: boolean | "inline" | "hidden"): Promise<string> {
  const outDir = folder.file(name);
  await build({
    root: folder.path,
    configFile: false,
    logLevel: "error",
    build: {
      ssr: source,
      outDir,
      minify: true,
      sourcemap,
      rollupOptions: { output: { entryFileNames: "app.mjs" } },
    },
  });
  return join(outDir, "app.mjs");
}

function lineOf(name: string): number {
  const lines = readFileSync(source, "utf8").split("\n");
  const start = new RegExp(`^(?:export )?(?:function|const|class) ${name}\\b`);
  return 1 + lines.findIndex((line) => start.test(line));
}

describe("JavaScript as it was written", () => {
  const maps = [
    { name: "in the file that the script names", sourcemap: true },
    { name: "beside a script that names none", sourcemap: "hidden" },
    { name: "in the script", sourcemap: "inline" },
  ] as const;
  for (const { name, sourcemap } of maps) {
    it(`is found in a running process by the map ${name}`, async () => {
      const script = await bundle(name, sourcemap);
      assert.ok(!readFileSync(script, "utf8").includes("computeTotals(orders"));
      const flags = ["--perf-basic-prof", "--interpreted-frames-native-stack"];
      await using node = await startCommand(process.execPath, [...flags, script, "20000"], {
        cwd: folder.path,
        timeoutMs: 30_000,
      });
      const map = `/tmp/perf-${node.pid}.map`;
      const addresses = await compiledAddresses(map);
      const args = ["symbolize", "--json", ...addresses.flatMap((address) => ["-a", address])];
      const live = await runObsforge([...args, "--pid", String(node.pid)]);
      assert.equal(live.code, 0, live.stderr);
      assertWritten(live.stdout);
      const byMap = await runObsforge([...args, "--perf-map", map]);
      assertWritten(byMap.stdout);
    });
  }

  it("keeps the names of a script whose map is broken, or another's", async () => {
    const script = await bundle("broken", true);
    writeFileSync(`${script}.map`, "{");
    const map = folder.file("broken.map");
    writeFileSync(map, `1000 10 JS:*e file://${script}:1:11\n`);
    const { stdout } = await runObsforge(["symbolize", "--perf-map", map, "-a", "1004"]);
    assert.equal(stdout, `e\n${script}:1:11\n\n`);
  });
});

describe("a recording of JavaScript", { skip: requirement("root", "bpf") }, () => {
  let script: string;
  before(async () => {
    script = await bundle("recorded", true);
  });

  it("has the functions and files that people wrote", async () => {
    const path = await recording(script, "--perf-basic-prof");
    const format = formatOfPath(path) ?? assert.fail();
    const batch = format.decode(readFileSync(path), FILE_LIMITS);
    const totals = functionTotals(batch);
    const share = (totals.cumulative.get("computeTotals") ?? 0) / totals.all;
    assert.ok(share > 0.5, `computeTotals: ${share}`);
    const { functions, strings } = batch.dictionary;
    const files = new Set<string>();
    for (let row = 1; row < functions.length; row++)
      files.add(strings.at(functions.filename.at(row)));
    assert.ok(files.has(source), [...files].join(" "));
  });
});

describe("a recording of a dump of JavaScript", { skip: requirement("root", "bpf") }, () => {
  it("has the lines that people wrote, and none of other functions", async () => {
    const script = await bundle("dumped", true);
    const path = await recording(script, "--perf-prof");
    const lines = linesOf(path, "weigh");
    const first = lineOf("weigh");
    assert.ok(lines.has(first + 2), `the loop is not among ${[...lines]}`);
    const others = [...lines].filter((line) => line < first || line > first + 4);
    assert.deepEqual(others, []);
  });
});

/** Records three seconds of a script that runs with a flag of V8's. */
async function recording(script: string, flag: string): Promise<string> {
  const path = folder.file(`${flag}.pb.gz`);
  // What a compiler has put into its caller has no code of its own.
  const command = [process.execPath, flag, "--no-maglev", "--no-turbo-inlining", script, "3000"];
  const args = ["record", "-F", "997", "-o", path, "--", ...command];
  const result = await runObsforge(args, { cwd: folder.path });
  assert.equal(result.code, 0, result.stderr);
  return path;
}

/** The lines of a function that were sampled. */
function linesOf(path: string, name: string): Set<number> {
  const format = formatOfPath(path) ?? assert.fail();
  const { functions, locations, strings } = format.decode(
    readFileSync(path),
    FILE_LIMITS,
  ).dictionary;
  const lines = new Set<number>();
  for (let location = 1; location < locations.length; location++) {
    for (let row = locations.lineStart(location); row < locations.lineEnd(location); row++) {
      const function_ = locations.lineFunction.at(row);
      if (strings.at(functions.name.at(function_)) !== name) continue;
      assert.equal(strings.at(functions.filename.at(function_)), source);
      lines.add(locations.lineNumber.at(row));
    }
  }
  return lines;
}

/** Where code of the functions lies that the minifier has renamed, as soon as all have some. */
async function compiledAddresses(map: string): Promise<string[]> {
  for (;;) {
    const lines = existsSync(map) ? readFileSync(map, "latin1").split("\n") : [];
    const own = lines.filter((line) => /app\.mjs:1:\d+$/.test(line) && / JS:[*+^]/.test(line));
    const names = new Set(own.map((line) => / JS:[*+^]+'?(\S*) /.exec(line)?.[1]));
    if (names.size >= 5) return own.map((line) => line.split(" ")[0] as string);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function assertWritten(output: string): void {
  const frames = output
    .trim()
    .split("\n")
    .flatMap((line) => (JSON.parse(line) as { frames: Record<string, unknown>[] }).frames);
  for (const name of WRITTEN) {
    const frame = frames.find((one) => one["function"] === name);
    assert.ok(frame, `${name} is not among ${frames.map((one) => one["function"])}`);
    assert.equal(frame["file"], source);
    assert.equal(frame["line"], lineOf(name));
    assert.match(String(frame["systemName"]), /^JS:.*app\.mjs:1:\d+$/);
  }
}

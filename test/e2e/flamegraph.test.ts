import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inflateRawSync } from "node:zlib";
import type { FlameProfile } from "../../src/profiles/flamegraph/columns.ts";
import { decodeFlameProfile } from "../../src/profiles/flamegraph/encoding.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { requirement } from "../support/requirements.ts";
import { runCommand, runObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const BUSY = ["sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"];

/** The profiles that an HTML file holds. */
function embeddedProfiles(html: string): FlameProfile[] {
  const pattern = /<script type="application\/x-obsforge-profile" data-name="[^"]*">([^<]*)</g;
  return [...html.matchAll(pattern)].map(([, base64]) =>
    decodeFlameProfile(inflateRawSync(Buffer.from(base64 as string, "base64"))),
  );
}

describe("flame graphs on the command line", () => {
  const bpf = { skip: requirement("root", "bpf") };

  it("are what a recording ends in when its file is called so", bpf, async () => {
    using folder = temporaryFolder();
    for (const name of ["cpu.html", "cpu.svg"]) {
      const { code, stderr } = await runObsforge([
        "record",
        "-o",
        folder.file(name),
        "--",
        ...BUSY,
      ]);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /samples of 1 process, 0 lost/);
    }
    const [profile] = embeddedProfiles(readFileSync(folder.file("cpu.html"), "utf8"));
    assert.deepEqual(
      profile?.types.map(({ name }) => name),
      ["cpu", "samples"],
    );
    assert.match(readFileSync(folder.file("cpu.svg"), "utf8"), /<svg [\s\S]*>cpu: [\d.]+ m?s</);
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith("obsforge-record-")),
      [],
    );
  });

  it("go to standard output, and come from standard input", async () => {
    using folder = temporaryFolder();
    const path = folder.file("a.folded");
    writeFileSync(path, "main;work 7\n");
    const svg = await runObsforge(["flamegraph", path, "-o", "-", "--format", "svg", "--invert"]);
    assert.match(svg.stdout, /^<svg [\s\S]*<title>main\n7 \(100\.00 %\), self 7<\/title>/);
    const program = join(packageRoot(), "bin/obsforge");
    const piped = `cat ${path} | ${program} flamegraph - -o - --format html`;
    const html = await runLine(piped);
    assert.deepEqual(
      embeddedProfiles(html).map(({ types }) => [...(types[0]?.samples.value ?? [])]),
      [[7]],
    );
  });

  it("hold both profiles of a difference, before and after", async () => {
    using folder = temporaryFolder();
    const [a, b, html] = ["a.folded", "b.folded", "d.html"].map((name) => folder.file(name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(a, "main;work 7\n");
    writeFileSync(b, "main;work 9\n");
    assert.equal((await runObsforge(["diff", a, b, "-o", html])).code, 0);
    const totals = embeddedProfiles(readFileSync(html, "utf8")).map(({ types }) =>
      types[0]?.samples.value.at(0),
    );
    assert.deepEqual(totals, [7, 9]);
  });

  const wrong: readonly { args: string[]; code: number; says: RegExp }[] = [
    { args: ["flamegraph", "IN"], code: 2, says: /'-o, --output <file>' not specified/ },
    { args: ["flamegraph", "IN", "-o", "x.png"], code: 2, says: /end it in \.html or \.svg/ },
    { args: ["flamegraph", "IN", "-o", "-"], code: 2, says: /add --format html or --format svg/ },
    { args: ["flamegraph", "IN", "-o", "-", "--format", "pdf"], code: 2, says: /use html or svg/ },
    { args: ["flamegraph", "none.folded", "-o", "x.svg"], code: 1, says: /none\.folded/ },
    {
      args: ["flamegraph", "IN", "-o", "x.svg", "--type", "heap"],
      code: 2,
      says: /a\.folded has no sample type "heap", only samples/,
    },
    { args: ["flamegraph", "IN", "-o", "x.svg", "--width", "9"], code: 2, says: /from 200 to/ },
    { args: ["diff", "IN", "-o", "x.svg"], code: 2, says: /missing required argument 'after'/ },
    { args: ["diff", "-", "-", "-o", "x.svg"], code: 2, says: /only one of both/ },
    { args: ["diff", "IN", "IN", "-o", "x.svg", "--scale", "rate"], code: 2, says: /how long/ },
    { args: ["diff", "IN", "HEAP", "-o", "x.html"], code: 2, says: /no sample type in common/ },
  ];
  for (const { args, code, says } of wrong) {
    it(`are refused in a sentence: ${args.join(" ")}`, async () => {
      using folder = temporaryFolder();
      const files: Record<string, string> = {
        IN: folder.file("a.folded"),
        HEAP: folder.file("h.speedscope.json"),
      };
      writeFileSync(files["IN"] as string, "main;work 7\n");
      writeFileSync(files["HEAP"] as string, JSON.stringify(heap));
      const { code: ended, stderr } = await runObsforge(
        args.map((word) => files[word] ?? word),
        { cwd: folder.path },
      );
      assert.equal(ended, code, stderr);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /\n\s+at /);
      for (const name of ["x.svg", "x.html", "x.png"]) assert.ok(!existsSync(folder.file(name)));
    });
  }
});

/** A speedscope file whose values are bytes. */
const heap = {
  $schema: "https://www.speedscope.app/file-format-schema.json",
  shared: { frames: [{ name: "main" }] },
  profiles: [
    {
      ...{ type: "sampled", name: "heap", unit: "bytes", startValue: 0, endValue: 5 },
      ...{ samples: [[0]], weights: [5] },
    },
  ],
};

async function runLine(line: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand("sh", ["-c", line]);
  assert.equal(code, 0, stderr);
  return stdout;
}

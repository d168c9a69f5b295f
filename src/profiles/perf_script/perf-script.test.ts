import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../../support/limits.ts";
import { encodeFolded } from "../folded/encode.ts";
import { formatOfContent } from "../formats.ts";
import type { ProfileBatch } from "../profile.ts";
import { resolvedSamples } from "../resolved.ts";
import { decodePerfScript } from "./decode.ts";
import { parseFrame, parseHeader } from "./lines.ts";

const testdata = (name: string): Uint8Array =>
  readFileSync(new URL(`testdata/${name}`, import.meta.url));
const decode = (text: string): ProfileBatch =>
  decodePerfScript(new TextEncoder().encode(text), FILE_LIMITS);
const folded = (batch: ProfileBatch): string => new TextDecoder().decode(encodeFolded(batch));

const HOT = "__libc_start_call_main;main;work::Worker::operator();work::leaf<long>";

describe("perf script of a real recording", () => {
  it("reads the default fields", () => {
    const bytes = testdata("default.perf.txt");
    const text = folded(decodePerfScript(bytes, FILE_LIMITS));
    assert.match(text, new RegExp(`^busy: two;${escaped(HOT)} 22$`, "m"));
    assert.match(text, /;read;entry_SYSCALL_64_after_hwframe_\[k\];/);
    assert.equal(formatOfContent(bytes)?.name, "perf-script");
  });

  it("reads process, thread, CPU and period", () => {
    const batch = decodePerfScript(testdata("fields.perf.txt"), FILE_LIMITS);
    const [sample] = resolvedSamples(batch);
    assert.deepEqual(sample?.resource, [
      "",
      'process.executable.name="busy: two"',
      "process.pid=18451",
    ]);
    assert.deepEqual(sample?.attributes, [
      "cpu.logical_number=0",
      "thread.id=18451",
      'thread.name="busy: two"',
    ]);
    assert.equal(sample?.period, "cpu/nanoseconds 10101010");
    assert.match(folded(batch), new RegExp(`^busy: two;${escaped(HOT)} 22$`, "m"));
  });

  it("reads inlined frames and source lines", () => {
    const batch = decodePerfScript(testdata("inlined.perf.txt"), FILE_LIMITS);
    const stack = resolvedSamples(batch)[0]?.stack ?? [];
    assert.match(stack[0] ?? "", /^work::leaf<long> busy\.cpp:8:0 @/);
    assert.match(stack.join("\n"), /__libc_start_main_impl/);
  });

  it("reads samples without call chains, between events that are no samples", () => {
    const bytes = testdata("no-chains.perf.txt");
    const batch = decodePerfScript(bytes, FILE_LIMITS);
    assert.equal(folded(batch), "busy: two;work::leaf<long> 23\n");
    assert.equal(formatOfContent(bytes)?.name, "perf-script");
  });
});

describe("perf script lines", () => {
  const headers = [
    {
      line: "java 12/34 [003] 5.000001: 99 cycles:ppp: ",
      is: ["java", 12, 34, 3, 99, "cycles:ppp"],
    },
    { line: "a b:c 1 2  77 9.5: cpu-clock:u: ", is: ["a b:c 1 2", -1, 77, -1, 0, "cpu-clock:u"] },
    {
      line: "perf 6 [000] 1.2: sched:sched_switch: prev_comm=x ==> y: 1",
      is: ["perf", -1, 6, 0, 0, "sched:sched_switch"],
    },
    { line: ":-1 -1 4.5: 1 cycles: ", is: [":-1", -1, -1, -1, 1, "cycles"] },
    { line: "node 7", is: ["node", -1, 7, -1, 0, ""] },
  ];
  for (const { line, is } of headers) {
    it(`reads ${JSON.stringify(line)}`, () => {
      const header = parseHeader(line);
      assert.ok(header);
      const { comm, pid, tid, cpu, period, event } = header;
      assert.deepEqual([comm, pid, tid, cpu, period, event], is);
    });
  }

  const frames = [
    {
      line: "\t 7f01 f(void (*)(int))+0x1c (/a b/c (deleted))",
      symbol: "f(void (*)(int))",
      file: "/a b/c (deleted)",
    },
    { line: "\t ffffffff81 [unknown] ([kernel.kallsyms])", symbol: "", file: "[kernel.kallsyms]" },
    { line: "\t 10 [unknown] ([unknown])", symbol: "", file: "" },
    { line: "\t 10 operator new(unsigned long)", symbol: "operator new(unsigned long)", file: "" },
    { line: "\t 10 x+0x1 (inlined)", symbol: "x", file: "" },
  ];
  for (const { line, symbol, file } of frames) {
    it(`reads ${JSON.stringify(line)}`, () => {
      const frame = parseFrame(line);
      assert.deepEqual([frame?.symbol, frame?.file], [symbol, file]);
    });
  }

  it("joins the lines of one address", () => {
    const batch = decode("a 1 1.0: 5 cpu-clock: \n\t 10 in (inlined)\n\t 10 out+0x4 (/bin/a)\n\n");
    assert.equal(folded(batch), "a;out;in 1\n");
    assert.equal(batch.dictionary.locations.length, 2);
  });

  it("keeps the sum of periods that vary", () => {
    const batch = decode(
      "a 1 1.0: 10 cpu-clock: \n\t 1 f (x)\n\na 1 2.0: 30 cpu-clock: \n\t 1 f (x)\n",
    );
    const [profile] = [...batch.profiles()].map((owned) => owned.profile);
    assert.equal(profile?.period, 20);
    assert.equal(profile?.samples.total(), 2);
    assert.equal(profile?.durationNano, 1_000_000_000n);
  });

  it("keeps events apart", () => {
    const batch = decode("a 1 1.0: cycles: \n\t 1 f (x)\n\na 1 2.0: page-faults: \n\t 1 f (x)\n");
    const { strings } = batch.dictionary;
    assert.deepEqual(
      [...batch.profiles()].map(({ profile }) => strings.at(profile.sampleType.type)),
      ["samples", "page-faults"],
    );
  });

  it("names the line that it cannot read", () => {
    assert.throws(() => decode("a 1 1.0: cycles: \n\t 1 f (x)\n\n=====\n=\n"), {
      code: "INPUT_MALFORMED",
      message: /line 4/,
    });
  });

  it("is not slowed by lines that nearly match", () => {
    const start = process.hrtime.bigint();
    for (const filler of [" ", "1 ", " 1/1", "a:"]) {
      for (let i = 0; i < 500; i++) parseHeader(`a${filler.repeat(2000)}b`);
    }
    assert.ok(process.hrtime.bigint() - start < 1_000_000_000n);
  });
});

function escaped(text: string): string {
  return RegExp.escape(text);
}

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PerfMap } from "./perf-map.ts";

function mapOf(text: string): PerfMap {
  const map = new PerfMap();
  map.append(Buffer.from(text));
  return map;
}

describe("PerfMap", () => {
  it("reads numbers with and without 0x, in both cases, behind blanks and tabs", () => {
    const map = mapOf("7f10 20 one\n0x7F40 0x00000000000000aB\tint two(int)\r\n  7f00\t1 three\n");
    assert.deepEqual(map.lookup(0x7f10), { name: "one", start: 0x7f10, size: 0x20 });
    assert.equal(map.lookup(0x7f2f)?.name, "one");
    assert.equal(map.lookup(0x7f30), undefined);
    assert.equal(map.lookup(0x7f40)?.name, "int two(int)");
    assert.equal(map.lookup(0x7f00)?.name, "three");
  });

  it("takes the newest of lines that overlap, and what is left of the others", () => {
    const map = mapOf("100 100 old\n140 20 new\n");
    const names = [0x13f, 0x140, 0x15f, 0x160].map((address) => map.lookup(address)?.name);
    assert.deepEqual(names, ["old", "new", "new", "old"]);
  });

  it("finds of a line without a size only its start", () => {
    const map = mapOf("100 0 label\n");
    assert.equal(map.lookup(0x100)?.name, "label");
    assert.equal(map.lookup(0x101), undefined);
  });

  it("skips what is no line, and loses nothing else", () => {
    const map = mapOf(
      "100 10 a\nnonsense\n200 zz b\n300 10\n\nffffffffffffffff 10 kernel\n400 10 c\n",
    );
    assert.equal(map.lookup(0x100)?.name, "a");
    assert.equal(map.lookup(0x400)?.name, "c");
    assert.equal(map.lineCount, 2);
    assert.equal(map.skippedLines, 4);
  });

  it("keeps a line that is cut until its end comes", () => {
    const map = mapOf("100 10 first\n200 10 sec");
    assert.equal(map.lookup(0x200), undefined);
    map.append(Buffer.from("ond\n"));
    assert.equal(map.lookup(0x200)?.name, "second");
  });

  it("takes invalid UTF-8, and cuts names that are no names", () => {
    const map = new PerfMap();
    map.append(Buffer.concat([Buffer.from("100 10 a"), Buffer.of(0xff), Buffer.from("b\n")]));
    map.append(Buffer.from(`200 10 ${"x".repeat(10_000)}\n300 10 ${"y".repeat(100_000)}\n`));
    assert.equal(map.lookup(0x100)?.name, "a\ufffdb");
    assert.equal(map.lookup(0x200)?.name.length, 4096);
  });

  it("lets the newest line win when it is full, and names nothing by what it forgot", () => {
    const count = 600_000;
    const lines = Array.from(
      { length: count },
      (_, row) => `${(64 * row).toString(16)} 40 n${row}`,
    );
    const map = mapOf(`${lines.join("\n")}\n0 40 new\n`);
    assert.equal(map.lookup(0)?.name, "new");
    assert.equal(map.lookup(64), undefined);
    assert.equal(map.lookup(64 * (count - 1))?.name, `n${count - 1}`);
  });

  it("keeps what is not covered when it is full of what is", () => {
    const again = "10000 40 often\n".repeat(600_000);
    const map = mapOf(`100 10 first\n${again}10000 40 last\n`);
    assert.equal(map.lookup(0x100)?.name, "first");
    assert.equal(map.lookup(0x10000)?.name, "last");
  });

  it("finds what a naive search finds, however the text is cut", () => {
    const line = fc.record({
      start: fc.integer({ min: 0, max: 300 }),
      size: fc.integer({ min: 0, max: 60 }),
    });
    const lines = fc.array(line, { maxLength: 700 });
    fc.assert(
      fc.property(lines, fc.array(fc.nat(5000), { maxLength: 20 }), (all, cuts) => {
        const text = all.map(({ start, size }, row) => {
          return `${start.toString(16)} ${size.toString(16)} n${row}\n`;
        });
        const bytes = Buffer.from(text.join(""));
        const map = new PerfMap();
        let at = 0;
        for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
          map.append(bytes.subarray(at, Math.max(cut, at)));
          at = Math.max(cut, at);
          map.lookup(7);
        }
        for (let address = 0; address < 370; address++) {
          const row = all.findLastIndex(
            ({ start, size }) => address >= start && address < start + Math.max(size, 1),
          );
          assert.equal(map.lookup(address)?.name, row < 0 ? undefined : `n${row}`);
        }
      }),
      { numRuns: 60 },
    );
  });
});

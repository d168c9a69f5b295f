import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { bytesAccess } from "../elf/random-access.ts";
import { type IndexedRange, IndexWriter } from "./index-writer.ts";
import { SymbolIndex } from "./symbol-index.ts";

const small = fc.nat(5);
const rangeOf = fc.record({
  gap: fc.integer({ min: 1, max: 300 }),
  name: fc.nat(40),
  file: small,
  line: fc.nat(100_000),
  column: fc.nat(200),
  depth: fc.nat(4),
});

interface Expected extends IndexedRange {
  readonly lines: readonly number[];
}

describe("SymbolIndex", () => {
  it("says what was written, from each start to the next", () => {
    fc.assert(
      fc.property(
        fc.array(rangeOf, { minLength: 1, maxLength: 400 }),
        fc.nat(2 ** 40),
        (given, base) => {
          const { bytes, ranges } = written(given, base);
          const index = new SymbolIndex(bytesAccess(bytes, "an index"));
          for (const [at, { start, name, lines }] of ranges.entries()) {
            const end = ranges[at + 1]?.start;
            for (const address of [start, (end ?? start + 2) - 1]) {
              const found = index.framesAt(address);
              assert.equal(found.low, start);
              if (end !== undefined) assert.equal(found.high, end);
              const expected = name === 0 ? [] : lines;
              assert.deepEqual(
                found.places.map(({ line = 0 }) => line),
                expected,
              );
              if (name > 0) assert.equal(found.places[0]?.systemName, `_name${name}`);
              if (name > 0) assert.equal(found.places[0]?.readableName, `name${name}`);
            }
          }
          assert.deepEqual(index.framesAt(base - 1).places, []);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuses bytes that are no index, and takes broken ones for broken [fuzz]", () => {
    const { bytes } = written([{ gap: 1, name: 3, file: 1, line: 7, column: 2, depth: 3 }], 0x1000);
    fc.assert(
      fc.property(
        fc.nat(bytes.length - 1),
        fc.nat(255),
        fc.nat(bytes.length),
        (at, value, length) => {
          const broken = bytes.slice(0, length);
          if (at < length) broken[at] = value;
          try {
            new SymbolIndex(bytesAccess(broken, "an index")).framesAt(0x1001);
          } catch (error) {
            assert.match(
              String((error as { code?: string }).code),
              /INPUT_MALFORMED|LIMIT_EXCEEDED/,
            );
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

type Given = ReturnType<typeof rangeOf.generate>["value"];

/** Ranges one behind the other, each with as many calls around it as it is deep. */
function written(
  given: readonly Given[],
  base: number,
): { readonly bytes: Uint8Array; readonly ranges: readonly Expected[] } {
  const writer = new IndexWriter();
  let start = base;
  const ranges = given.map((one): Expected => {
    const { name, file, line, column, depth } = one;
    start += one.gap;
    const lines = [line];
    let call = 0;
    for (let around = depth; around > 0 && name > 0; around--) {
      const place = { name: numberOf(writer, around), file: 0, line: around * 1000, column: 0 };
      call = writer.call(place, call);
      lines.splice(1, 0, around * 1000);
    }
    const files = file === 0 ? 0 : writer.text(`/src/file${file}.c`);
    const range = { start, name: name && numberOf(writer, name), file: files, line, column, call };
    writer.range(range);
    return { ...range, name, lines };
  });
  return { bytes: Buffer.concat(writer.finish(base)), ranges };
}

function numberOf(writer: IndexWriter, name: number): number {
  return writer.name(`_name${name}`, `name${name}`);
}

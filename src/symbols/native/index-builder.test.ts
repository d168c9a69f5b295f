import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { DebugFrame } from "../dwarf/debug-info.ts";
import { bytesAccess } from "../elf/random-access.ts";
import type { FunctionSymbol } from "../elf/symbol-table.ts";
import { isMissing } from "../executable-file.ts";
import { SymbolIndex } from "../index/symbol-index.ts";
import { buildSymbolIndex } from "./index-builder.ts";
import { frameOf, placesOf } from "./named-place.ts";

const START = 0x1000;
const BYTES = 64;

const frame = fc.record<DebugFrame>(
  {
    linkageName: fc.constantFrom("one", "two", "three"),
    bareName: fc.constantFrom("one", "two"),
    file: fc.constantFrom("/a.c", "/b.c"),
    line: fc.integer({ min: 1, max: 3 }),
  },
  { requiredKeys: [] },
);
/** Chains of callers, which addresses share as the same objects. */
const callers = fc.array(fc.array(frame, { maxLength: 3 }), { minLength: 1, maxLength: 4 });
/** What is at each address: the innermost frame and the number of its callers. */
const code = fc.array(fc.option(fc.tuple(frame, fc.nat(3)), { nil: undefined }), {
  minLength: BYTES,
  maxLength: BYTES,
});
/** Of the symbols that follow one another, how long each is and whether it has a name. */
const symbols = fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.boolean()), {
  maxLength: 6,
});

const program = fc.tuple(callers, code, symbols).map(([chains, innermost, lengths]) => {
  const debugged = innermost.map((one): readonly DebugFrame[] => {
    return one === undefined ? [] : [one[0], ...(chains[one[1] % chains.length] ?? [])];
  });
  const named: (FunctionSymbol | undefined)[] = [];
  for (const [index, [length, hasName]] of lengths.entries()) {
    const name = `symbol${index}`;
    const start = BigInt(START + named.length);
    const symbol = { name, readableName: name, file: undefined, start, size: BigInt(length) };
    named.push(...new Array<FunctionSymbol | undefined>(length).fill(hasName ? symbol : undefined));
  }
  return { debugged, symbols: debugged.map((_, index) => named[index]) };
});

describe("buildSymbolIndex", () => {
  it("keeps what symbols and debug information say together", () => {
    fc.assert(
      fc.property(program, ({ debugged, symbols }) => {
        const everywhere = Float64Array.from(debugged.keys(), (index) => START + index);
        const pieces = buildSymbolIndex({
          debugInfo: {
            *bounds() {
              yield [everywhere.slice(0, BYTES / 2)];
              yield [everywhere.slice(BYTES / 2)];
            },
            framesAt: (address) => debugged[address - START] ?? [],
          },
          symbolBounds: [...everywhere],
          symbolsAt: (addresses) =>
            Array.from(addresses, (address) => {
              return { symbol: symbols[Number(address) - START], low: 0, high: 0 };
            }),
          code: { start: START, end: START + BYTES },
          rangesMax: 1000,
        });
        assert.ok(!isMissing(pieces));
        const index = new SymbolIndex(bytesAccess(Buffer.concat(pieces), "an index"));
        for (const [at, frames] of debugged.entries()) {
          const expected = placesOf(symbols[at], frames).map((place) => frameOf(place, false));
          const { places } = index.framesAt(START + at);
          assert.deepEqual(
            places.map((place) => frameOf(place, false)),
            expected,
          );
        }
      }),
      { numRuns: 300 },
    );
  });
});

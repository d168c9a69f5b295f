import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { addressPrefixes } from "./address-prefixes.ts";

const PAGE = 4096;

describe("addressPrefixes", () => {
  it("is one prefix for an aligned power of two", () => {
    assert.deepEqual(addressPrefixes(0x40_0000, 0x60_0000), [{ address: 0x40_0000, bits: 43 }]);
  });

  it("covers exactly the range, in order, without overlaps and with few prefixes", () => {
    const pages = fc.integer({ min: 0, max: 2 ** 35 - 1 });
    const lengths = fc.oneof(
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 1, max: 2 ** 31 }),
    );
    fc.assert(
      fc.property(pages, lengths, (page, length) => {
        let at = page * PAGE;
        const prefixes = addressPrefixes(at, at + length * PAGE);
        for (const { address, bits } of prefixes) {
          const bytes = 2 ** (64 - bits);
          assert.equal(address, at);
          assert.equal(address % bytes, 0);
          at += bytes;
        }
        assert.equal(at, (page + length) * PAGE);
        assert.ok(prefixes.length <= 2 * Math.ceil(Math.log2(length + 1)));
      }),
    );
  });

  it("rounds outwards to pages", () => {
    assert.deepEqual(addressPrefixes(PAGE + 5, PAGE + 6), [{ address: PAGE, bits: 52 }]);
  });

  it("is nothing for nothing", () => {
    assert.deepEqual(addressPrefixes(PAGE, PAGE), []);
  });
});

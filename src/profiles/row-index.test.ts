import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mixHash, PROBES_MAX, RowIndex } from "./row-index.ts";

describe("RowIndex", () => {
  it("finds every row by its hash", () => {
    const index = new RowIndex();
    for (let row = 0; row < 10_000; row++) index.add(mixHash(1, row), row);
    for (let row = 0; row < 10_000; row++) {
      assert.equal(
        index.find(mixHash(1, row), (candidate) => candidate === row),
        row,
      );
    }
    assert.equal(
      index.find(mixHash(1, 10_000), () => true),
      -1,
    );
  });

  it("gives up after PROBES_MAX slots when all hashes are equal [S4]", () => {
    const index = new RowIndex();
    const start = process.hrtime.bigint();
    for (let row = 0; row < 200_000; row++) index.add(7, row);
    let compared = 0;
    const found = index.find(7, () => {
      compared++;
      return false;
    });
    assert.equal(found, -1);
    assert.equal(compared, PROBES_MAX);
    assert.ok(process.hrtime.bigint() - start < 1_000_000_000n);
  });
});

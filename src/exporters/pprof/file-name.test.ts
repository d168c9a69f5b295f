import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isCollectorError } from "../../support/errors.ts";
import { FileNamePattern, type NameParts } from "./file-name.ts";

const parts: NameParts = {
  timeUnixNano: 1_795_563_340_123_456_789n,
  types: ["cpu", "off_cpu"],
  sequence: 7,
};

function named(pattern: string, given: Partial<NameParts> = {}, copy = 0): string {
  return new FileNamePattern(pattern, "web-1").name({ ...parts, ...given }, copy);
}

describe("FileNamePattern", () => {
  it("puts in the beginning in UTC, host, types and sequence", () => {
    assert.equal(
      named("{host}_{time}.{type}-{sequence}.pb.gz"),
      "web-1_20261124T233540Z.cpu+off_cpu-7.pb.gz",
    );
  });

  it("puts the number of a copy before the extension", () => {
    assert.equal(named("{time}.pb.gz", {}, 2), "20261124T233540Z-2.pb.gz");
    assert.equal(named("a.{sequence}", {}, 2), "a.7-2");
  });

  const refused: readonly [pattern: string, says: RegExp][] = [
    ["{pid}-{time}.pb.gz", /unknown placeholder \{pid\}: there are \{time\}, \{host\}/],
    ["{constructor}-{time}", /unknown placeholder \{constructor\}/],
    ["../{time}.pb.gz", /name of a file/],
    ["day/{time}.pb.gz", /name of a file/],
    [".{time}.pb.gz", /no dot first/],
    ["{time}\u0000.pb.gz", /name of a file/],
    ["{time.pb.gz", /must have \{time\} or/],
    ["cpu.pb.gz", /must have \{time\} or \{sequence\}/],
    ["{time}{time}.pb.gz", /more than once/],
    [`{time}${"x".repeat(100)}`, /longer than 100/],
  ];
  for (const [pattern, says] of refused) {
    it(`refuses ${JSON.stringify(pattern).slice(0, 40)}`, () => {
      assert.throws(
        () => named(pattern),
        (error) => {
          assert.ok(isCollectorError(error, "CONFIG_INVALID"));
          assert.match(error.message, says);
          return true;
        },
      );
    });
  }

  it("stays one short name in its folder whatever the data says, and is known again [S8]", () => {
    const hostile = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.constantFrom("..", "../../etc/cron.d/x", "/etc/passwd", "a\u0000b", ".ssh", ""),
    );
    fc.assert(
      fc.property(
        fc.array(hostile, { maxLength: 3 }),
        hostile,
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (types, host, timeUnixNano) => {
          for (const text of ["{type}-{time}.pb.gz", "{host}.{type}{time}-{sequence}"]) {
            const pattern = new FileNamePattern(text, host);
            const name = pattern.name({ timeUnixNano, types, sequence: 3 }, 5);
            assert.match(name, /^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$/);
            assert.ok(name.length < 230);
            assert.notEqual(pattern.sequenceOf(name), undefined);
            assert.notEqual(pattern.sequenceOf(`${name}.123.partial`), undefined);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  for (const name of [
    "web-1-20261124T233540Z.pb",
    "web-2-20261124T233540Z.pb.gz",
    "web-1-20261124T233540Z.pb.gz.bak",
    "my-web-1-20261124T233540Z.pb.gz",
    "web-1-20261124T233540Z-x.pb.gz",
    "web-1-yesterday.pb.gz",
  ]) {
    it(`does not take ${name} for its own`, () => {
      const pattern = new FileNamePattern("{host}-{time}.pb.gz", "web-1");
      assert.equal(pattern.sequenceOf(name), undefined);
    });
  }
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isCollectorError } from "../../support/errors.ts";
import { Float64Column, Int32Column, Uint64Column } from "../columns.ts";
import { GROUP_NESTING_MAX, ProtoReader, tagOf, WIRE_BYTES, WIRE_VARINT } from "./reader.ts";
import { ProtoWriter } from "./writer.ts";

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const safeInteger = fc.maxSafeInteger();

describe("protobuf scalars", () => {
  it("reads every 64-bit varint that it writes", () => {
    fc.assert(
      fc.property(int64, (value) => {
        assert.equal(readerOf((writer) => writer.int64BigInt(value)).int64BigInt(), value);
        const unsigned = BigInt.asUintN(64, value);
        assert.equal(readerOf((writer) => writer.int64BigInt(unsigned)).uint64BigInt(), unsigned);
      }),
    );
  });

  it("reads every exact number that it writes", () => {
    fc.assert(
      fc.property(safeInteger, (value) => {
        assert.equal(readerOf((writer) => writer.int64(value)).int64Number("value"), value);
      }),
    );
  });

  it("reads every int32 and double that it writes", () => {
    fc.assert(
      fc.property(fc.integer(), fc.double(), (value, double) => {
        assert.equal(readerOf((writer) => writer.int32(value)).int32(), value);
        assert.ok(Object.is(readerOf((writer) => writer.double(double)).double(), double));
      }),
    );
  });

  it("writes a negative int32 in ten bytes", () => {
    const writer = new ProtoWriter();
    writer.int32(-1);
    assert.equal(writer.finish().toHex(), "ffffffffffffffffff01");
  });

  it("cuts an int32 to its low 32 bits", () => {
    assert.equal(readerOf((writer) => writer.int64(2 ** 32 + 5)).int32(), 5);
    assert.equal(readerOf((writer) => writer.int64(2 ** 31)).int32(), -(2 ** 31));
  });

  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    it(`refuses ${value} where a number must hold it, and says what it was`, () => {
      const reader = readerOf((writer) => writer.int64BigInt(value));
      assert.throws(
        () => reader.int64Number("Profile.period"),
        new RegExp(`Profile.period ${value} is beyond 2\\^53`),
      );
    });
  }

  it("reads every well-formed string that it writes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        assert.equal(readerOf((writer) => writer.string(text)).string(), text);
      }),
    );
  });

  it("reads what is not UTF-8 as U+FFFD", () => {
    const reader = new ProtoReader(new Uint8Array([3, 0x61, 0xff, 0x62]), "test");
    assert.equal(reader.string(), "a\ufffdb");
  });

  it("keeps a byte order mark", () => {
    assert.equal(readerOf((writer) => writer.string("\ufeffa")).string(), "\ufeffa");
  });
});

describe("protobuf lists and messages", () => {
  it("reads every packed list that it writes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.array(safeInteger), (ints, numbers) => {
        const reader = readerOf((writer) => {
          writer.packedInt32Field(tagOf(1, WIRE_BYTES), Int32Array.from(ints), 0, ints.length);
          writer.tag(tagOf(2, WIRE_BYTES));
          const start = writer.begin();
          for (const value of numbers) writer.int64(value);
          writer.end(start);
        });
        const column = new Int32Column();
        if (ints.length > 0) {
          assert.equal(reader.tag(), tagOf(1, WIRE_BYTES));
          assert.equal(reader.packedInt32(column), ints.length);
        }
        assert.deepEqual([...column.data.subarray(0, column.length)], ints);
        assert.equal(reader.tag(), tagOf(2, WIRE_BYTES));
        const values = new Float64Column();
        assert.equal(reader.packedInt64(values, "value"), numbers.length);
        assert.deepEqual([...values.data.subarray(0, values.length)], numbers);
      }),
    );
  });

  it("reads packed uint64 and fixed64", () => {
    const reader = readerOf((writer) => {
      const unsigned = writer.begin();
      for (const value of [0, 127, 128, 16383, 16384, 2 ** 53 - 1]) writer.int64(value);
      writer.end(unsigned);
      const fixed = writer.begin();
      writer.fixed64(1, 0xffffffff);
      writer.end(fixed);
    });
    const numbers = new Float64Column();
    reader.packedUint64(numbers, "id");
    assert.deepEqual([...numbers.data.subarray(0, 6)], [0, 127, 128, 16383, 16384, 2 ** 53 - 1]);
    const column = new Uint64Column();
    assert.equal(reader.packedFixed64(column), 1);
    assert.equal(column.bigint(0), 0xffffffff00000001n);
  });

  for (const size of [0, 1, 127, 128, 16383, 16384, 3_000_000]) {
    it(`puts in the length of a nested message of ${size} bytes`, () => {
      const reader = readerOf((writer) => {
        const start = writer.begin();
        for (let i = 0; i < size; i++) writer.uint32(i & 0x7f);
        writer.end(start);
        writer.uint32(99);
      });
      const outer = reader.enter();
      assert.equal(reader.end - reader.offset, size);
      for (let i = 0; i < Math.min(size, 1000); i++) assert.equal(reader.uint32(), i & 0x7f);
      reader.leave(outer);
      assert.equal(reader.uint32(), 99);
    });
  }
});

describe("protobuf faults", () => {
  const cases: readonly { name: string; bytes: number[]; error: RegExp }[] = [
    { name: "a varint without an end", bytes: [0x80], error: /varint is cut off/ },
    { name: "a varint of eleven bytes", bytes: Array(11).fill(0x80), error: /more than 10 bytes/ },
    { name: "field number 0", bytes: [0x00, 0x00], error: /field number 0/ },
    { name: "wire type 6", bytes: [0x0e, 0x00], error: /wire type 6/ },
    { name: "wire type 7", bytes: [0x0f, 0x00], error: /wire type 7/ },
    { name: "an end of a group that has no start", bytes: [0x0c], error: /wire type 4/ },
    { name: "a length past the end", bytes: [0x0a, 0x02, 0x00], error: /2 bytes where 1 are left/ },
    {
      name: "a length of 2^32-1",
      bytes: [0x0a, 255, 255, 255, 255, 15],
      error: /4294967295 bytes/,
    },
    { name: "a fixed64 that is cut off", bytes: [0x09, 1, 2, 3], error: /cut off/ },
    { name: "a fixed32 that is cut off", bytes: [0x0d, 1, 2, 3], error: /cut off/ },
    { name: "a group without an end", bytes: [0x0b, 0x10, 0x01], error: /group 1 has no end/ },
    { name: "groups without end", bytes: Array(99).fill(0x0b), error: /nested too deep/ },
  ];
  for (const { name, bytes, error } of cases) {
    it(`refuses ${name}`, () => {
      const reader = new ProtoReader(Uint8Array.from(bytes), "test");
      assert.throws(
        () => reader.skip(reader.tag()),
        (thrown) => isCollectorError(thrown, "INPUT_MALFORMED") && error.test(thrown.message),
      );
    });
  }

  it("skips groups up to the limit", () => {
    const bytes = [...Array(GROUP_NESTING_MAX).fill(0x0b), ...Array(GROUP_NESTING_MAX).fill(0x0c)];
    const reader = new ProtoReader(Uint8Array.from([...bytes, 0x08, 7]), "test");
    reader.skip(reader.tag());
    assert.equal(reader.tag(), tagOf(1, WIRE_VARINT));
    assert.equal(reader.uint32(), 7);
  });

  it("reads nothing past the end of a nested message", () => {
    const reader = new ProtoReader(Uint8Array.from([1, 0x80, 1]), "test");
    reader.enter();
    assert.throws(() => reader.uint32(), /varint is cut off/);
  });

  it("takes a claimed length for what is there, and allocates nothing for it", () => {
    const reader = new ProtoReader(Uint8Array.from([255, 255, 255, 255, 7, 1]), "test");
    const column = new Int32Column();
    assert.throws(() => reader.packedInt32(column), /where 1 are left/);
    assert.equal(column.data.length, 0);
  });
});

function readerOf(write: (writer: ProtoWriter) => void): ProtoReader {
  const writer = new ProtoWriter(4);
  write(writer);
  return new ProtoReader(writer.finish(), "test");
}

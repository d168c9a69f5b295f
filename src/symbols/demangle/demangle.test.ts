import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { withMemoryLimit } from "./bounded-wasm.ts";
import { demangle, loadDemangler, MANGLED_LENGTH_MAX } from "./demangle.ts";

const cases = [
  ["_ZN3foo3barEv", "foo::bar()"],
  ["_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back(int&&)"],
  ["_ZN3foo3barEv.cold", "foo::bar()"],
  ["_ZN3foo3barEv.constprop.0.isra.1.cold", "foo::bar()"],
  ["_Znwm@@GLIBCXX_3.4", "operator new(unsigned long)"],
  ["memcpy@@GLIBC_2.14", "memcpy"],
  ["_ZN4core3fmt9Formatter3pad17h05af221e174051e9E.llvm.1234567", "core::fmt::Formatter::pad"],
  ["_RNvCs123_5crate3foo", "crate::foo"],
  ["_start", "_start"],
  ["__libc_start_main", "__libc_start_main"],
  ["_ZERO", "_ZERO"],
  ["main", "main"],
  ["main.cold", "main.cold"],
  ["", ""],
] as const;

/** Each parameter has the one before twice: 250 characters would become a gigabyte. */
function bomb(levels: number): string {
  let name = "_Z1f1AIiiE";
  for (let level = 1; level <= levels; level++) {
    const previous = `S${(level - 1).toString(36).toUpperCase()}_`;
    name += `S_I${previous}${previous}E`;
  }
  return name;
}

describe("demangle", () => {
  before(loadDemangler);

  for (const [symbol, readable] of cases) {
    it(`reads ${JSON.stringify(symbol)}`, () => assert.equal(demangle(symbol), readable));
  }

  for (const levels of [10, 14, 20, 30]) {
    it(`gives up a name that multiplies itself ${levels} times, at once`, () => {
      const name = bomb(levels);
      const start = process.hrtime.bigint();
      assert.equal(demangle(name), name);
      assert.ok(process.hrtime.bigint() - start < 500_000_000n);
      assert.equal(demangle("_Z5aftero"), "after(unsigned __int128)");
    });
  }

  for (const [length, isTried] of [
    [MANGLED_LENGTH_MAX - 1, true],
    [MANGLED_LENGTH_MAX, true],
    [MANGLED_LENGTH_MAX + 1, false],
  ] as const) {
    it(`${isTried ? "tries" : "leaves"} a symbol of ${length} characters`, () => {
      const identifier = "a".repeat(length - "_Z16384v".length);
      const symbol = `_Z${identifier.length}${identifier}v`;
      assert.equal(demangle(symbol), isTried ? `${identifier}()` : symbol);
    });
  }
});

describe("withMemoryLimit", () => {
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

  it("writes the limit into the memory section", () => {
    const limited = withMemoryLimit(Uint8Array.from([...header, 5, 3, 1, 0, 17]), 128);
    assert.deepEqual([...limited], [...header, 5, 5, 1, 1, 17, 0x80, 1]);
  });

  it("refuses a module that needs more, or has no memory", () => {
    assert.throws(() => withMemoryLimit(Uint8Array.from([...header, 5, 3, 1, 0, 17]), 16));
    assert.throws(() => withMemoryLimit(Uint8Array.from(header), 16));
  });
});

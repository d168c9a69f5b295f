import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { importedFiles } from "../../test/support/imported-files.ts";

describe("the symbol worker", () => {
  // The end of a thread that alone has loaded one unloads it, and takes the program with it.
  const readers = [
    "jit/read-maps.ts",
    "jit/source-map/script-maps.ts",
    "native/worker-symbols.ts",
    "elf/elf-file.ts",
  ];
  for (const reader of readers) {
    it(`loads no native library for ${reader}`, () => {
      const files = importedFiles(join(import.meta.dirname, reader));
      assert.ok(!files.has(join(import.meta.dirname, "../linux/ffi.ts")), [...files].join(" "));
    });
  }

  it("loads one to put tables into the kernel, as whoever asks for it has", () => {
    const files = importedFiles(join(import.meta.dirname, "unwind-table-loader.ts"));
    assert.ok(files.has(join(import.meta.dirname, "../linux/ffi.ts")));
  });
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { describe, it } from "node:test";
import { codeDigest, DIGESTED_FOLDERS } from "./code-digest.ts";

const IMPORTS = /^(?:import|export)\s+(?!type\b)[^;]*?from "(\..*?)"|\bimport\("(\..*?)"\)/gm;

describe("codeDigest", () => {
  it("is the same each time", () => {
    assert.deepEqual(codeDigest(), codeDigest());
  });

  for (const maker of ["native/index-file.ts", "cfi/table-cache.ts"]) {
    it(`covers all code that ${maker} runs`, () => {
      const left = [join(import.meta.dirname, "..", maker)];
      const seen = new Set(left);
      for (let path = left.pop(); path !== undefined; path = left.pop()) {
        const at = path;
        const isCovered = DIGESTED_FOLDERS.some((folder) => at.startsWith(folder + sep));
        assert.ok(isCovered, `${path} is in none of the folders`);
        for (const [, still, lazily] of readFileSync(path, "utf8").matchAll(IMPORTS)) {
          const next = join(dirname(path), still ?? lazily ?? "");
          if (!seen.has(next)) left.push(next);
          seen.add(next);
        }
      }
      assert.ok(seen.size > 20, `${seen.size} files`);
    });
  }
});
